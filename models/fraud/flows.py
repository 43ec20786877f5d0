"""The network flow as features see it, and the words of three kinds of logs for the same things."""

from typing import NamedTuple

NUMBERS = (
    "duration",
    "src_bytes",
    "dst_bytes",
    "land",
    "wrong_fragment",
    "urgent",
    "hot",
    "num_failed_logins",
    "logged_in",
    "num_compromised",
    "root_shell",
    "su_attempted",
    "num_root",
    "num_file_creations",
    "num_shells",
    "num_access_files",
    "is_guest_login",
)
WINDOWS = (
    "count",
    "srv_count",
    "serror_rate",
    "srv_serror_rate",
    "rerror_rate",
    "srv_rerror_rate",
    "same_srv_rate",
    "diff_srv_rate",
    "srv_diff_host_rate",
    "dst_host_count",
    "dst_host_srv_count",
    "dst_host_same_srv_rate",
    "dst_host_diff_srv_rate",
    "dst_host_same_src_port_rate",
    "dst_host_srv_diff_host_rate",
    "dst_host_serror_rate",
    "dst_host_srv_serror_rate",
    "dst_host_rerror_rate",
    "dst_host_srv_rerror_rate",
)
"""Of the flows before, as in Lee and Stolfo 2000, doi:10.1145/382912.382914, table IV."""

CATEGORIES = ("protocol_type", "service", "flag")
PROTOCOLS = ("tcp", "udp", "icmp")
FLAGS = ("SF", "S0", "S1", "S2", "S3", "REJ", "RSTO", "RSTR", "RSTOS0", "SH", "OTH")
"""How a connection ended, in the words of Zeek's `conn_state`, which NSL-KDD shares."""

SYN_ERRORS = frozenset({"S0", "S1", "S2", "S3"})
REJECTIONS = frozenset({"REJ", "RSTO", "RSTR", "RSTOS0", "RSTRH"})
OTHER = "other"

_SERVICES = {
    "web": "http https ssl tls http_443 http_8001 http_2784 http2 quic 80 443 8080 8443",
    "mail": "smtp pop_2 pop_3 pop3 imap imap4 25 110 143 465 587 993 995",
    "name": "domain domain_u dns mdns llmnr 53 5353",
    "login": "telnet ssh login shell exec klogin kshell rlogin rdp vnc 22 23 512 513 514 3389",
    "transfer": "ftp ftp_data ftp-data tftp tftp_u uucp uucp_path smb nfs 20 21 69 445 2049",
    "time": "ntp ntp_u time daytime 13 37 123",
    "directory": "ldap netbios_dgm netbios_ns netbios_ssn finger whois name auth krb krb_tcp kerberos "
    "dhcp snmp 67 68 79 88 113 137 138 139 161 389 636",
    "database": "sql_net mysql postgresql mssql redis mongodb 1433 1521 3306 5432 6379 27017",
    "chat": "irc nntp x11 z39_50 sip xmpp 119 194 5060 6000 6667",
    "echo": "eco_i ecr_i urp_i urh_i tim_i red_i icmp echo",
    "private": "private",
}
_GROUP_OF = {word: group for group, words in _SERVICES.items() for word in words.split()}
SERVICES = (*_SERVICES, OTHER)


class Flow(NamedTuple):
    """One connection, or exchange of packets.

    Attributes:
        at_s: When it began, seconds since 1970.
        source: Address of who began it.
        source_port: 0 if it has none.
        host: Address of the other side.
        port: Of the other side, 0 if it has none.
        protocol: Of `PROTOCOLS`.
        service: Of `SERVICES`.
        flag: Of `FLAGS`.
        duration_s: NaN if unknown.
        sent_bytes: From the source, without headers if the log tells them apart; NaN if unknown.
        received_bytes: By the source; NaN if unknown.
    """

    at_s: float
    source: str
    source_port: int
    host: str
    port: int
    protocol: str
    service: str
    flag: str
    duration_s: float
    sent_bytes: float
    received_bytes: float

    @property
    def land(self) -> bool:
        """Whether it claims to come from where it goes."""
        return self.source == self.host and self.source_port == self.port


def service_group(named: str | None, port: int = 0, protocol: str = "tcp") -> str:
    """What a service is for: by its name in any of the logs, else by its port."""
    if protocol == "icmp":
        return "echo"
    first = (named or "").lower().split(",")[0]
    return _GROUP_OF.get(first) or _GROUP_OF.get(str(port), OTHER)


def plain_flag(state: str | None, protocol: str) -> str:
    """Zeek's state as NSL-KDD has it: only TCP has handshakes that can fail."""
    if protocol != "tcp":
        return "SF"
    return {"RSTRH": "RSTR", "SHR": "SH", "RSTOS0": "RSTOS0"}.get(
        state or "", state if state in FLAGS else "OTH"
    )
