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

from collections.abc import Iterator

import numpy as np

from models.core.seeds import numpy_generator
from models.fraud.flow_attacks import FAMILY_OF, Attack
from models.fraud.flow_maker import LabelledFlow, Maker, Network, masked


def generate_flows(network: Network, seed: int) -> list[LabelledFlow]:
    """Flows of a day in order of time; the same seed gives the same."""
    made: list[LabelledFlow] = []
    day = _Day(network, numpy_generator(seed, "sessions"))
    for _ in range(network.sessions):
        made += day.session()
    for attack in FAMILY_OF:
        for number in range(network.attacks):
            random = numpy_generator(seed, attack, number)
            made += masked(Attack(network, random, attack).flows(), random)
    return sorted(made, key=lambda each: each.flow.at_s)


class _Day(Maker):
    """Ordinary work."""

    KINDS = ("web", "mail", "name", "login", "transfer", "backup", "ping", "fail", "time", "odd")
    SHARES = (0.34, 0.12, 0.16, 0.08, 0.07, 0.02, 0.06, 0.05, 0.05, 0.05)

    def session(self) -> Iterator[LabelledFlow]:
        kind = str(self.random.choice(self.KINDS, p=self.SHARES))
        at_s = float(np.clip(self.random.normal(13, 4), 0, 23.9)) * 3600 + self.random.uniform(0, 9)
        return masked(getattr(self, f"_{kind}")(at_s), self.random)

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
