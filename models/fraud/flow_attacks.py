"""Attacks on a generated network, by kind."""

from collections.abc import Iterator

from models.fraud.flow_maker import DAY_S, LabelledFlow, Maker, Network, Random

FAMILY_OF = {
    **dict.fromkeys(
        ("syn_flood", "udp_flood", "echo_flood", "slow_requests", "fragments", "land"), "dos"
    ),
    **dict.fromkeys(("port_sweep", "host_sweep", "slow_scan", "service_probe"), "probe"),
    **dict.fromkeys(("password_guessing", "guest_upload", "data_theft", "beacon"), "r2l"),
    **dict.fromkeys(("root_shell", "rootkit"), "u2r"),
}


class Attack(Maker):
    """One attack."""

    def __init__(self, network: Network, random: Random, kind: str) -> None:
        super().__init__(network, random)
        self._kind = kind
        self._at_s = float(random.uniform(0, DAY_S - 7200))
        self._victim, self._attacker = self.server("w"), self.outside()

    def flows(self) -> Iterator[LabelledFlow]:
        """Its flows in order of time, named."""
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
