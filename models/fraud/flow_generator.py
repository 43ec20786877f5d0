"""A day in a small network that does not exist, with attacks of known kinds among its traffic.

Clients look up names, read pages, fetch mail, log in, copy files and back up at night; a few
connections fail, monitors ping, and a legitimate scanner makes its round. Half of the sensors read
payloads, so only half of the flows tell of logins and commands. Attacks, by family:

- dos: `syn_flood`, `udp_flood`, `echo_flood`, `slow_requests`, `fragments`, `land`;
- probe: `port_sweep`, `host_sweep`, `slow_scan`, `service_probe`;
- r2l, the misuse of logins: `password_guessing`, `guest_upload`, `data_theft`, `beacon`;
- u2r, from user to root: `root_shell`, `rootkit`.

None of it promises anything about a real network; it is there so that weights can be shipped.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.core.seeds import numpy_generator
from models.fraud.flows import Flow, service_group

START_S = 1_767_225_600.0  # 2026-01-01
DAY_S = 86_400.0
INSPECTED = 0.5
Random = np.random.Generator
Content = Mapping[str, float]

PLAIN: Content = dict.fromkeys(
    (
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
    ),
    0.0,
)
FAMILY_OF = {
    **dict.fromkeys(
        ("syn_flood", "udp_flood", "echo_flood", "slow_requests", "fragments", "land"), "dos"
    ),
    **dict.fromkeys(("port_sweep", "host_sweep", "slow_scan", "service_probe"), "probe"),
    **dict.fromkeys(("password_guessing", "guest_upload", "data_theft", "beacon"), "r2l"),
    **dict.fromkeys(("root_shell", "rootkit"), "u2r"),
}


class LabelledFlow(NamedTuple):
    """A flow, what its payload told (nothing where it was not read), and the attack if any."""

    flow: Flow
    content: Content
    attack: str


@dataclass(frozen=True)
class Network:
    """How much of everything.

    Attributes:
        clients: Machines of people.
        servers: Machines that serve them.
        sessions: Pieces of ordinary work in the day.
        attacks: Attacks of each kind.
    """

    clients: int = 60
    servers: int = 12
    sessions: int = 2_500
    attacks: int = 3


def generate_flows(network: Network, seed: int) -> list[LabelledFlow]:
    """Flows of a day in order of time; the same seed gives the same."""
    made: list[LabelledFlow] = []
    day = _Day(network, numpy_generator(seed, "sessions"))
    for _ in range(network.sessions):
        made += day.session()
    for attack in FAMILY_OF:
        for number in range(network.attacks):
            random = numpy_generator(seed, attack, number)
            made += _masked(_Attack(network, random, attack).flows(), random)
    return sorted(made, key=lambda each: each.flow.at_s)


def _masked(flows: Iterator[LabelledFlow], random: Random) -> Iterator[LabelledFlow]:
    """All flows of a sensor are read, or none."""
    read = random.random() < INSPECTED
    for each in flows:
        yield each if read else each._replace(content={})


class _Maker:
    def __init__(self, network: Network, random: Random) -> None:
        self.network, self.random = network, random

    def client(self) -> str:
        return f"10.0.0.{int(self.random.integers(self.network.clients))}"

    def server(self, kind: str = "s") -> str:
        return f"10.1.{kind}.{int(self.random.integers(self.network.servers))}"

    def outside(self) -> str:
        return f"203.0.{int(self.random.integers(60))}.{int(self.random.integers(250))}"

    def bytes(self, middle: float, spread: float = 1.0) -> float:
        return float(np.round(middle * self.random.lognormal(0, spread)))

    def flow(
        self,
        at_s: float,
        source: str,
        host: str,
        port: int,
        sent: float,
        received: float,
        *,
        duration_s: float = 0.0,
        protocol: str = "tcp",
        flag: str = "SF",
        attack: str = "",
        source_port: int | None = None,
        **content: float,
    ) -> LabelledFlow:
        if source_port is None:
            source_port = 0 if protocol == "icmp" else int(self.random.integers(1024, 65_535))
        flow = Flow(
            START_S + at_s,
            source,
            source_port,
            host,
            port,
            protocol,
            service_group(None, port, protocol),
            flag,
            duration_s,
            sent,
            received,
        )
        return LabelledFlow(flow, {**PLAIN, **content}, attack)


class _Day(_Maker):
    """Ordinary work."""

    KINDS = ("web", "mail", "name", "login", "transfer", "backup", "ping", "fail", "time", "odd")
    SHARES = (0.34, 0.12, 0.16, 0.08, 0.07, 0.02, 0.06, 0.05, 0.05, 0.05)

    def session(self) -> Iterator[LabelledFlow]:
        kind = str(self.random.choice(self.KINDS, p=self.SHARES))
        at_s = float(np.clip(self.random.normal(13, 4), 0, 23.9)) * 3600 + self.random.uniform(0, 9)
        return _masked(getattr(self, f"_{kind}")(at_s), self.random)

    def _web(self, at_s: float) -> Iterator[LabelledFlow]:
        inward = self.random.random() < 0.3
        client = self.outside() if inward else self.client()
        for _ in range(1 + self.random.poisson(3)):
            host = self.server("w") if inward else self.outside()
            for _ in range(1 + self.random.geometric(0.25)):
                at_s += self.random.exponential(0.4)
                port = 443 if self.random.random() < 0.6 else 80
                yield self.flow(
                    at_s,
                    client,
                    host,
                    port,
                    self.bytes(350, 0.6),
                    self.bytes(4_000, 1.4),
                    duration_s=float(self.random.exponential(2)),
                    flag=self._end(),
                    logged_in=1,
                )
            at_s += self.random.exponential(20)

    def _mail(self, at_s: float) -> Iterator[LabelledFlow]:
        for _ in range(1 + self.random.poisson(1)):
            port = int(self.random.choice([25, 143, 587, 993]))
            sent = self.bytes(1_200, 1.2)
            host, duration_s = self.server("m"), float(self.random.exponential(3))
            yield self.flow(
                at_s, self.client(), host, port, sent, 340.0, duration_s=duration_s, logged_in=1
            )
            at_s += self.random.exponential(5)

    def _name(self, at_s: float) -> Iterator[LabelledFlow]:
        client = self.client()
        for _ in range(1 + self.random.poisson(4)):
            at_s += self.random.exponential(0.5)
            sent, received = self.bytes(42, 0.15), self.bytes(110, 0.5)
            yield self.flow(at_s, client, self.server("d"), 53, sent, received, protocol="udp")

    def _login(self, at_s: float) -> Iterator[LabelledFlow]:
        client, host = self.client(), self.server("l")
        port = int(self.random.choice([22, 23, 3389]))
        for _ in range(self.random.poisson(0.15)):  # a mistyped password
            at_s += self.random.uniform(3, 15)
            yield self.flow(at_s, client, host, port, 130, 180, duration_s=4, num_failed_logins=1)
        length_s = self.bytes(300, 1.3)
        yield self.flow(
            at_s + 5,
            client,
            host,
            port,
            3 * length_s,
            20 * length_s,
            duration_s=length_s,
            logged_in=1,
            hot=float(self.random.poisson(0.4)),
            num_file_creations=float(self.random.poisson(0.2)),
            num_access_files=float(self.random.poisson(0.1)),
            su_attempted=float(self.random.random() < 0.01),
        )

    def _transfer(self, at_s: float) -> Iterator[LabelledFlow]:
        client, host = self.client(), self.server("f")
        guest = float(self.random.random() < 0.3)
        hot = float(self.random.poisson(1 + guest))
        yield self.flow(
            at_s,
            client,
            host,
            21,
            self.bytes(200, 0.5),
            self.bytes(600, 0.5),
            duration_s=self.bytes(20),
            logged_in=1,
            hot=hot,
            is_guest_login=guest,
        )
        for _ in range(1 + self.random.poisson(2)):
            at_s += self.random.exponential(6)
            volume, up = self.bytes(30_000, 2), self.random.random() < 0.4
            sent, received = (volume, 0.0) if up else (0.0, volume)
            yield self.flow(at_s, client, host, 20, sent, received, duration_s=1, logged_in=1)

    def _backup(self, at_s: float) -> Iterator[LabelledFlow]:
        night_s = at_s % (4 * 3600)
        yield self.flow(
            night_s,
            self.client(),
            self.server("b"),
            445,
            self.bytes(3e7),
            self.bytes(2e5),
            duration_s=self.bytes(200, 0.5),
            logged_in=1,
        )

    def _ping(self, at_s: float) -> Iterator[LabelledFlow]:
        for number in range(1 + self.random.poisson(3)):
            host = self.server()
            yield self.flow(at_s + number, "10.0.9.1", host, 0, 56, 56, protocol="icmp")

    def _fail(self, at_s: float) -> Iterator[LabelledFlow]:
        flag = str(self.random.choice(["S0", "REJ", "RSTO", "RSTR", "SH"]))
        host = self.server() if self.random.random() < 0.5 else self.outside()
        port = int(self.random.choice([80, 443, 445, 8080, 9100]))
        client = self.client()
        for attempt in range(1 + self.random.poisson(1)):
            yield self.flow(at_s + 3.0 * attempt, client, host, port, 0, 0, flag=flag)

    def _time(self, at_s: float) -> Iterator[LabelledFlow]:
        yield self.flow(at_s, self.client(), self.server("t"), 123, 48, 48, protocol="udp")

    def _odd(self, at_s: float) -> Iterator[LabelledFlow]:
        """Things that look a little like attacks and are none."""
        if self.random.random() < 0.4:  # the inventory's round over the servers
            for number in range(self.network.servers):
                yield self.flow(at_s + number, "10.0.9.2", f"10.1.s.{number}", 161, 80, 200)
            return
        port = int(self.random.integers(1024, 20_000))
        protocol = "udp" if self.random.random() < 0.5 else "tcp"
        for number in range(1 + self.random.poisson(5)):
            sent, received = self.bytes(900, 1.5), self.bytes(900, 1.5)
            yield self.flow(
                at_s + 0.3 * number,
                self.client(),
                self.outside(),
                port,
                sent,
                received,
                protocol=protocol,
                duration_s=self.bytes(8, 1.5),
            )

    def _end(self) -> str:
        return str(self.random.choice(["SF", "RSTO", "S1", "REJ"], p=[0.95, 0.03, 0.01, 0.01]))


class _Attack(_Maker):
    """One attack."""

    def __init__(self, network: Network, random: Random, kind: str) -> None:
        super().__init__(network, random)
        self._kind = kind
        self._at_s = float(random.uniform(0, DAY_S - 7200))
        self._victim, self._attacker = self.server("w"), self.outside()

    def flows(self) -> Iterator[LabelledFlow]:
        for each in getattr(self, f"_{self._kind}")():
            yield each._replace(attack=self._kind)

    def _spaced(self, count: int, gap_s: float) -> Iterator[float]:
        at_s = self._at_s
        for _ in range(count):
            at_s += self.random.exponential(gap_s)
            yield at_s

    def _many(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high))

    def _syn_flood(self) -> Iterator[LabelledFlow]:
        port = int(self.random.choice([80, 443, 25, 22]))
        flag = str(self.random.choice(["S0", "REJ"], p=[0.8, 0.2]))
        for at_s in self._spaced(self._many(200, 500), 0.008):
            source = self.outside() if self.random.random() < 0.5 else self._attacker
            yield self.flow(at_s, source, self._victim, port, 0, 0, flag=flag)

    def _udp_flood(self) -> Iterator[LabelledFlow]:
        size = self.bytes(1_000, 0.3)
        for at_s in self._spaced(self._many(150, 400), 0.01):
            port = self._many(1024, 60_000)
            yield self.flow(at_s, self._attacker, self._victim, port, size, 0, protocol="udp")

    def _echo_flood(self) -> Iterator[LabelledFlow]:
        size = float(self.random.choice([520, 1032, 1480]))
        for at_s in self._spaced(self._many(150, 400), 0.008):
            yield self.flow(at_s, self.outside(), self._victim, 0, size, 0, protocol="icmp")

    def _slow_requests(self) -> Iterator[LabelledFlow]:
        for at_s in self._spaced(self._many(80, 200), 0.4):
            held_s, flag = self.bytes(250, 0.3), str(self.random.choice(["RSTR", "S1", "RSTO"]))
            yield self.flow(
                at_s, self._attacker, self._victim, 80, 240, 0, duration_s=held_s, flag=flag
            )

    def _fragments(self) -> Iterator[LabelledFlow]:
        for at_s in self._spaced(self._many(60, 150), 0.05):
            yield self.flow(
                at_s, self._attacker, self._victim, 53, 28, 0, protocol="udp", wrong_fragment=3
            )

    def _land(self) -> Iterator[LabelledFlow]:
        for at_s in self._spaced(self._many(5, 30), 0.5):
            yield self.flow(at_s, self._victim, self._victim, 80, 0, 0, flag="S0", source_port=80)

    def _port_sweep(self) -> Iterator[LabelledFlow]:
        for number, at_s in enumerate(self._spaced(self._many(100, 400), 0.05)):
            flag = str(self.random.choice(["REJ", "S0", "RSTR", "SF"], p=[0.6, 0.3, 0.07, 0.03]))
            yield self.flow(at_s, self._attacker, self._victim, 1 + 7 * number, 0, 0, flag=flag)

    def _host_sweep(self) -> Iterator[LabelledFlow]:
        icmp = self.random.random() < 0.5
        for number, at_s in enumerate(self._spaced(self._many(60, 200), 0.1)):
            host = f"10.1.{number % 4}.{number}"
            if icmp:
                yield self.flow(at_s, self._attacker, host, 0, 8, 0, protocol="icmp")
            else:
                flag = str(self.random.choice(["S0", "REJ", "SF"], p=[0.7, 0.2, 0.1]))
                yield self.flow(at_s, self._attacker, host, 445, 0, 0, flag=flag)

    def _slow_scan(self) -> Iterator[LabelledFlow]:
        for at_s in self._spaced(self._many(40, 90), 45):
            flag = str(self.random.choice(["REJ", "S0", "SH"], p=[0.6, 0.3, 0.1]))
            port = self._many(1, 10_000)
            yield self.flow(at_s, self._attacker, self._victim, port, 0, 0, flag=flag)

    def _service_probe(self) -> Iterator[LabelledFlow]:
        for at_s in self._spaced(self._many(30, 80), 0.6):
            port = int(self.random.choice([21, 22, 23, 25, 53, 80, 110, 143, 389, 445, 3306, 5432]))
            flag = str(self.random.choice(["SF", "RSTO", "REJ"], p=[0.3, 0.4, 0.3]))
            yield self.flow(
                at_s,
                self._attacker,
                self._victim,
                port,
                self.bytes(15, 0.3),
                self.bytes(80, 0.5),
                flag=flag,
            )

    def _password_guessing(self) -> Iterator[LabelledFlow]:
        port = int(self.random.choice([22, 23, 21, 3389, 110]))
        for at_s in self._spaced(self._many(30, 120), 3):
            yield self.flow(
                at_s,
                self._attacker,
                self._victim,
                port,
                self.bytes(125, 0.1),
                self.bytes(180, 0.1),
                duration_s=float(self.random.uniform(1, 4)),
                flag=str(self.random.choice(["SF", "RSTO"])),
                num_failed_logins=float(self.random.integers(1, 6)),
            )

    def _guest_upload(self) -> Iterator[LabelledFlow]:
        host = self.server("f")
        for at_s in self._spaced(self._many(10, 40), 30):
            yield self.flow(
                at_s,
                self._attacker,
                host,
                21,
                self.bytes(500, 0.3),
                self.bytes(1_500, 0.4),
                duration_s=self.bytes(40, 0.8),
                logged_in=1,
                hot=float(self.random.integers(5, 30)),
                is_guest_login=1,
                num_file_creations=float(self.random.poisson(2)),
            )
            yield self.flow(at_s + 1, self._attacker, host, 20, self.bytes(3e5), 0, logged_in=1)

    def _data_theft(self) -> Iterator[LabelledFlow]:
        client = self.client()
        for at_s in self._spaced(self._many(8, 30), 90):
            yield self.flow(
                at_s,
                client,
                self._attacker,
                int(self.random.choice([443, 53, 8443])),
                self.bytes(4e6),
                self.bytes(4_000, 0.4),
                duration_s=self.bytes(60, 0.7),
            )

    def _beacon(self) -> Iterator[LabelledFlow]:
        client, port = self.client(), int(self.random.choice([443, 80, 8080]))
        for number in range(self._many(30, 80)):
            at_s = self._at_s + 60 * number + float(self.random.normal(0, 1))
            yield self.flow(
                at_s, client, self._attacker, port, self.bytes(150, 0.05), 90, duration_s=0.2
            )

    def _root_shell(self) -> Iterator[LabelledFlow]:
        for at_s in self._spaced(self._many(4, 12), 200):
            yield self._shell(at_s, self.server("l"), num_shells=1, su_attempted=1)

    def _rootkit(self) -> Iterator[LabelledFlow]:
        host = self.server("l")
        for at_s in self._spaced(self._many(4, 12), 200):
            made = float(self.random.integers(3, 20))
            yield self._shell(at_s, host, num_file_creations=made, num_access_files=3)

    def _shell(self, at_s: float, host: str, **content: float) -> LabelledFlow:
        length_s = self.bytes(120, 0.7)
        plain = self.flow(
            at_s,
            self._attacker,
            host,
            int(self.random.choice([22, 23])),
            6 * length_s,
            30 * length_s,
            duration_s=length_s,
            logged_in=1,
            root_shell=1,
            hot=float(self.random.integers(2, 12)),
            num_compromised=float(self.random.integers(1, 10)),
            num_root=float(self.random.poisson(4)),
        )
        return plain._replace(content={**plain.content, **content})
