"""What generated flows are made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

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


def masked(flows: Iterator[LabelledFlow], random: Random) -> Iterator[LabelledFlow]:
    """Flows as a sensor tells them: it reads the payload of all of them, or of none."""
    read = random.random() < INSPECTED
    for each in flows:
        yield each if read else each._replace(content={})


class Maker:
    """Makes flows between the machines of a network."""

    def __init__(self, network: Network, random: Random) -> None:
        self.network, self.random = network, random

    def client(self) -> str:
        """Address of some machine of a person."""
        return f"10.0.0.{int(self.random.integers(self.network.clients))}"

    def server(self, kind: str = "s") -> str:
        """Address of some server of a kind."""
        return f"10.1.{kind}.{int(self.random.integers(self.network.servers))}"

    def outside(self) -> str:
        """Address of some machine elsewhere."""
        return f"203.0.{int(self.random.integers(60))}.{int(self.random.integers(250))}"

    def bytes(self, middle: float, spread: float = 1.0) -> float:
        """A volume around a middle one, log-normal."""
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
        """A flow at seconds since the day began; `content` is what its payload tells."""
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
