"""Network flows as NSL-KDD, Zeek and Suricata write them, and as features see them."""

import math
import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from models.core.capability import Value
from models.fraud.flows import Flow, plain_flag, service_group

Name = Annotated[str, Field(min_length=1, max_length=128)]
Count = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Word = Annotated[str, Field(min_length=1, max_length=64)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Protocol = Literal["tcp", "udp", "icmp"]

UNSET = ("-", "(empty)", "")
RST = 0x04


def _unset(given: Any) -> Any:  # noqa: ANN401  # what the caller sent
    """Zeek's sign for a field without a value."""
    return None if isinstance(given, str) and given in UNSET else given


def _lower(given: Any) -> Any:  # noqa: ANN401  # what the caller sent
    if not isinstance(given, str):
        return given
    word = given.lower()
    return "icmp" if word in ("ipv6-icmp", "icmpv6") else word


Unset = BeforeValidator(_unset)
AnyCase = BeforeValidator(_lower)


class NslKdd(Value):
    """A row of NSL-KDD: what is not known may be left out, the windows included."""

    protocol_type: Annotated[Protocol, AnyCase]
    service: Word
    flag: Word
    duration: Count
    src_bytes: Count
    dst_bytes: Count
    land: Count | None = None
    wrong_fragment: Count | None = None
    urgent: Count | None = None
    hot: Count | None = None
    num_failed_logins: Count | None = None
    logged_in: Count | None = None
    num_compromised: Count | None = None
    root_shell: Count | None = None
    su_attempted: Count | None = None
    num_root: Count | None = None
    num_file_creations: Count | None = None
    num_shells: Count | None = None
    num_access_files: Count | None = None
    num_outbound_cmds: Count | None = None
    is_host_login: Count | None = None
    is_guest_login: Count | None = None
    count: Count | None = None
    srv_count: Count | None = None
    serror_rate: Share | None = None
    srv_serror_rate: Share | None = None
    rerror_rate: Share | None = None
    srv_rerror_rate: Share | None = None
    same_srv_rate: Share | None = None
    diff_srv_rate: Share | None = None
    srv_diff_host_rate: Share | None = None
    dst_host_count: Count | None = None
    dst_host_srv_count: Count | None = None
    dst_host_same_srv_rate: Share | None = None
    dst_host_diff_srv_rate: Share | None = None
    dst_host_same_src_port_rate: Share | None = None
    dst_host_srv_diff_host_rate: Share | None = None
    dst_host_serror_rate: Share | None = None
    dst_host_srv_serror_rate: Share | None = None
    dst_host_rerror_rate: Share | None = None
    dst_host_srv_rerror_rate: Share | None = None


class LogRow(BaseModel):
    """Base of rows that other programs write: further fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class ZeekConn(LogRow):
    """A row of Zeek's `conn.log`, from JSON or from TSV by its column names.

    Source: https://docs.zeek.org/en/master/logs/conn.html
    """

    ts: float | AwareDatetime = Field(description="seconds since 1970, or ISO 8601")
    source: Name = Field(alias="id.orig_h")
    source_port: Port = Field(alias="id.orig_p")
    host: Name = Field(alias="id.resp_h")
    port: Port = Field(alias="id.resp_p")
    proto: Annotated[Protocol, AnyCase]
    service: Annotated[str | None, Unset] = Field(None, max_length=200)
    duration: Annotated[Count | None, Unset] = None
    orig_bytes: Annotated[Count | None, Unset] = None
    resp_bytes: Annotated[Count | None, Unset] = None
    conn_state: Annotated[str | None, Unset] = Field(None, max_length=10)

    def flow(self) -> Flow:
        """As features see it."""
        at_s = self.ts if isinstance(self.ts, float) else self.ts.timestamp()
        icmp = self.proto == "icmp"  # its ports are a type and a code
        return Flow(
            at_s,
            self.source,
            0 if icmp else self.source_port,
            self.host,
            0 if icmp else self.port,
            self.proto,
            service_group(self.service, self.port, self.proto),
            plain_flag(self.conn_state, self.proto),
            _known(self.duration),
            _known(self.orig_bytes),
            _known(self.resp_bytes),
        )


class EveCounts(LogRow):
    """The member `flow` of Suricata's record."""

    start: str | None = Field(None, max_length=40)
    end: str | None = Field(None, max_length=40)
    age: Count | None = None
    bytes_toserver: Count = 0.0
    bytes_toclient: Count = 0.0
    pkts_toserver: Count = 0.0
    pkts_toclient: Count = 0.0
    state: str | None = Field(None, max_length=20)


class EveTcp(LogRow):
    """The member `tcp` of Suricata's record; flags are hexadecimal."""

    tcp_flags_ts: str | None = Field(None, pattern=r"^[0-9a-fA-F]{1,2}$")
    tcp_flags_tc: str | None = Field(None, pattern=r"^[0-9a-fA-F]{1,2}$")
    state: str | None = Field(None, max_length=20)


class SuricataFlow(LogRow):
    """An EVE record of type `flow`.

    Suricata counts headers as well, so they are taken off at 40 bytes a packet (28 without TCP).

    Source: https://docs.suricata.io/en/latest/output/eve/eve-json-format.html#event-type-flow
    """

    timestamp: str = Field(max_length=40)
    event_type: Literal["flow"] = "flow"
    source: Name = Field(alias="src_ip")
    source_port: Port = Field(0, alias="src_port")
    host: Name = Field(alias="dest_ip")
    port: Port = Field(0, alias="dest_port")
    proto: Annotated[Protocol, AnyCase]
    app_proto: str | None = Field(None, max_length=40)
    counts: EveCounts = Field(alias="flow")
    tcp: EveTcp | None = None

    @model_validator(mode="after")
    def _times(self) -> "SuricataFlow":
        for text in (self.timestamp, self.counts.start, self.counts.end):
            if text is not None:
                _seconds(text)
        return self

    def flow(self) -> Flow:
        """As features see it."""
        counts, header = self.counts, 40 if self.proto == "tcp" else 28
        start_s = _seconds(counts.start or self.timestamp)
        if counts.end is not None:
            duration_s = max(0.0, _seconds(counts.end) - start_s)
        else:
            duration_s = _known(counts.age)
        return Flow(
            start_s,
            self.source,
            self.source_port,
            self.host,
            self.port,
            self.proto,
            service_group(_named(self.app_proto), self.port, self.proto),
            self._flag(),
            duration_s,
            max(0.0, counts.bytes_toserver - header * counts.pkts_toserver),
            max(0.0, counts.bytes_toclient - header * counts.pkts_toclient),
        )

    def _flag(self) -> str:
        """How it ended, in Zeek's words, from flags and packets of both sides."""
        if self.proto != "tcp":
            return "SF"
        tcp = self.tcp or EveTcp()
        sent, received = (int(each or "0", 16) for each in (tcp.tcp_flags_ts, tcp.tcp_flags_tc))
        if not self.counts.pkts_toclient:
            return "S0"
        if received & RST:
            return "RSTR" if received & ~RST & ~0x10 else "REJ"
        if sent & RST:
            return "RSTO"
        closed = tcp.state == "closed" or self.counts.state == "closed"
        return "SF" if closed or sent & received & 0x01 else "S1"


class NetworkFlow(Value):
    """One network flow, told in one of three ways.

    Of `zeek` and `suricata` rows the windows over earlier flows are computed here, in the order in
    which rows arrive; `nsl_kdd` brings its own.
    """

    kind: Literal["network_flow"]
    event_id: Name = Field(description="yours, unique; such as Zeek's uid")
    nsl_kdd: NslKdd | None = None
    zeek: ZeekConn | None = None
    suricata: SuricataFlow | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "NetworkFlow":
        if sum(form is not None for form in (self.nsl_kdd, self.zeek, self.suricata)) != 1:
            raise ValueError("expected exactly one of nsl_kdd, zeek and suricata")
        return self

    @property
    def log_row(self) -> ZeekConn | SuricataFlow | None:
        """The row that needs windows, if this is one."""
        return self.zeek or self.suricata


class BaselineRequest(Value):
    """Flows of ordinary days on your network, in order; they replace what was told before."""

    flows: tuple[NetworkFlow, ...] = Field(
        min_length=1, max_length=10_000, description="at least 1,000; their ids may repeat"
    )
    budget: float | None = Field(
        None, ge=0.001, le=0.2, description="share that may raise an alarm; the model's if absent"
    )


class BaselineResult(Value):
    """What the flows changed."""

    flows: int = Field(description="that counted")
    budget: float = Field(description="share of ordinary flows that may raise an alarm")
    alarms_before: float = Field(
        description="share of the later half that raised an alarm by what was known until now"
    )


def _known(value: float | None) -> float:
    return math.nan if value is None else value


def _named(app_proto: str | None) -> str | None:
    return None if app_proto in ("failed", "unknown") else app_proto


def _seconds(text: str) -> float:
    """Seconds since 1970 of Suricata's time, whose offset has no colon."""
    at = datetime.fromisoformat(re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text))
    if at.tzinfo is None:
        raise ValueError("the time needs an offset")
    return at.timestamp()
