"""The memory of flows: windows and repetitions, in step with the record of them."""

import hashlib
from collections import OrderedDict, defaultdict
from collections.abc import Sequence

from models.fraud.flow_log import KEPT, FlowLog, Taken
from models.fraud.flow_rows import Row, row_of_flow, row_of_nsl_kdd
from models.fraud.flow_schema import NetworkFlow
from models.fraud.flow_windows import WARM_FLOWS, FlowWindows
from models.fraud.flows import Flow
from models.fraud.record import NOT_RECORDED, Place
from models.fraud.schema import FlowMemory

NOT_KEPT = "the flow is remembered by this process alone: "


class _Network:
    """What is remembered of one owner's flows."""

    def __init__(self) -> None:
        self.windows = FlowWindows()
        self.taken: OrderedDict[str, Taken] = OrderedDict()
        self.number = 0

    def remember(self, taken: Taken) -> None:
        """Make a flow known by its id; the oldest one is forgotten."""
        self.taken[taken.event_id] = taken
        if len(self.taken) > KEPT:
            self.taken.popitem(last=False)


class FlowState:
    """Takes in flows exactly once each, for several owners.

    Where the record cannot be written the flows count in this process all the same.

    Args:
        place: Of the record, which is opened at the first flow; `None` keeps none.
    """

    def __init__(self, place: Place = None) -> None:
        self._place = place
        self._log: FlowLog | None = None
        self._networks: defaultdict[str, _Network] = defaultdict(_Network)

    def take(
        self, flows: Sequence[NetworkFlow], owner: str
    ) -> tuple[list[tuple[Taken, bool]], str]:
        """Flows in order as they were first seen, which are repeated, and why none was recorded.

        When this returns without a reason, all are durable.
        """
        network = self._networks[owner]
        found: list[tuple[Taken, bool]] | None = None
        try:
            log = self._opened()
            with log.transaction(owner):
                for number, taken in log.since(owner, network.number):
                    _apply(network, taken)
                    network.number = number
                found = [_take(network, flow) for flow in flows]
                fresh = [taken for taken, repeated in found if not repeated]
                log.append(owner, network.number, fresh)
            network.number += len(fresh)
        except NOT_RECORDED as error:
            found = found or [_take(network, flow) for flow in flows]
            return found, NOT_KEPT + error.detail
        except BaseException:
            del self._networks[owner]  # memory is ahead of the record: rebuild at the next call
            raise
        return found, ""

    def close(self) -> None:
        """Release the record."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _opened(self) -> FlowLog:
        if self._log is None:
            self._log = FlowLog(self._place)
        return self._log


def mark_of(flow: NetworkFlow) -> bytes:
    """What tells a flow from another one with its id."""
    return hashlib.blake2b(flow.model_dump_json().encode(), digest_size=16).digest()


def _apply(network: _Network, taken: Taken) -> None:
    """Take in a flow of the record, as this or another process saw it.

    One that is known was judged while the record did not answer, here or, sent again, elsewhere.
    """
    if taken.event_id in network.taken:
        return
    if taken.plain is not None:
        network.windows.flows = taken.memory.flows_seen
        network.windows.add(taken.plain)
    network.remember(taken)


def _take(network: _Network, flow: NetworkFlow) -> tuple[Taken, bool]:
    earlier = network.taken.get(flow.event_id)
    if earlier is not None:
        return earlier, True
    row, memory, plain = _seen(network.windows, flow)
    taken = Taken(flow.event_id, mark_of(flow), row, memory, plain)
    network.remember(taken)
    return taken, False


def _seen(windows: FlowWindows, flow: NetworkFlow) -> tuple[Row, FlowMemory, Flow | None]:
    before, plain = windows.flows, None
    if flow.log_row is None:
        assert flow.nsl_kdd is not None  # noqa: S101  # exactly one form is given
        row = row_of_nsl_kdd(flow.nsl_kdd)
        near, last = flow.nsl_kdd.count, flow.nsl_kdd.dst_host_count
        cold = near is None or last is None
    else:
        plain = flow.log_row.flow()
        values = windows.add(plain)
        row = row_of_flow(plain, values)
        near, last = values["count"], values["dst_host_count"]
        cold = before < WARM_FLOWS
    memory = FlowMemory(
        flows_seen=before,
        to_host_2s=None if near is None else int(near),
        to_host=None if last is None else int(last),
        cold=cold,
    )
    return row, memory, plain
