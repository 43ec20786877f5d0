"""What the flows before a flow say of it: two seconds around, and the last ones to its host.

The same code computes the windows of generated flows for training and of served ones. A service is
a port of the other side. Flows count in the order of their arrival; one that is older than the
window is counted, but moves nothing out of it.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Hashable
from typing import NamedTuple

from models.fraud.flows import REJECTIONS, SYN_ERRORS, WINDOWS, Flow

NEAR_S = 2.0
NEAR_FLOWS, HOST_FLOWS = 511, 255
"""Most flows in a window, as in KDD Cup 1999, so that its rates keep their meaning."""

WARM_FLOWS = 100
"""Flows of an owner before rates mean something."""

KEYS = 20_000


class _Past(NamedTuple):
    at_s: float
    mark: Hashable
    syn_error: bool
    rejected: bool


class _Recent:
    """The latest flows of one key, with running counts."""

    __slots__ = ("_limit", "_marks", "_past", "_rejected", "_span_s", "_syn_errors")

    def __init__(self, limit: int, span_s: float) -> None:
        self._limit, self._span_s = limit, span_s
        self._past: deque[_Past] = deque()
        self._marks: Counter[Hashable] = Counter()
        self._syn_errors = self._rejected = 0

    def __len__(self) -> int:
        return len(self._past)

    def add(self, flow: _Past) -> None:
        past = self._past
        past.append(flow)
        self._marks[flow.mark] += 1
        self._syn_errors += flow.syn_error
        self._rejected += flow.rejected
        while len(past) > self._limit or flow.at_s - past[0].at_s > self._span_s:
            gone = past.popleft()
            self._marks[gone.mark] -= 1
            if not self._marks[gone.mark]:
                del self._marks[gone.mark]
            self._syn_errors -= gone.syn_error
            self._rejected -= gone.rejected

    def with_mark(self, mark: Hashable) -> int:
        return self._marks[mark]

    def share(self, mark: Hashable) -> float:
        return self._marks[mark] / len(self._past)

    def errors(self) -> tuple[float, float]:
        """Shares of flows that got no answer to their opening, and that were refused."""
        return self._syn_errors / len(self._past), self._rejected / len(self._past)


class FlowWindows:
    """The windows of one owner's flows."""

    def __init__(self) -> None:
        self._recent: OrderedDict[Hashable, _Recent] = OrderedDict()
        self.flows = 0

    def add(self, flow: Flow) -> dict[str, float]:
        """Take in a flow; its windows include itself, by the names of `WINDOWS`."""
        host, port = flow.host, (flow.protocol, flow.port)
        near = self._add(("near", host), flow, port, NEAR_FLOWS, NEAR_S)
        service = self._add(("service", port), flow, host, NEAR_FLOWS, NEAR_S)
        last = self._add(("host", host), flow, port, HOST_FLOWS)
        sources = self._add(("port", host, port), flow, flow.source, HOST_FLOWS)
        source_ports = self._add(("from", host), flow, flow.source_port, HOST_FLOWS)
        self.flows += 1
        same, last_same = near.share(port), last.share(port)
        values = (
            len(near),
            len(service),
            near.errors()[0],
            service.errors()[0],
            near.errors()[1],
            service.errors()[1],
            same,
            1 - same,
            1 - service.share(host),
            len(last),
            last.with_mark(port),
            last_same,
            1 - last_same,
            source_ports.share(flow.source_port),
            1 - sources.share(flow.source),
            last.errors()[0],
            sources.errors()[0],
            last.errors()[1],
            sources.errors()[1],
        )
        return dict(zip(WINDOWS, map(float, values), strict=True))

    def _add(
        self, key: Hashable, flow: Flow, mark: Hashable, limit: int, span_s: float = float("inf")
    ) -> _Recent:
        recent = self._recent.get(key)
        if recent is None:
            recent = self._recent[key] = _Recent(limit, span_s)
            if len(self._recent) > KEYS:
                self._recent.popitem(last=False)
        self._recent.move_to_end(key)
        recent.add(_Past(flow.at_s, mark, flow.flag in SYN_ERRORS, flow.flag in REJECTIONS))
        return recent
