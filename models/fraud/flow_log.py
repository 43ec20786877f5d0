"""The latest flows of each owner on record: what their windows and repetitions are rebuilt from."""

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np

from models.fraud.flow_rows import Row
from models.fraud.flows import OTHER, Flow
from models.fraud.record import Place, open_record
from models.fraud.schema import FlowMemory

KEPT = 20_000
"""Flows of an owner: what came before is neither repeated nor part of a window after a restart."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS flow (
    owner TEXT NOT NULL, number {integer} NOT NULL, event_id TEXT NOT NULL, mark {bytes} NOT NULL,
    features {bytes} NOT NULL, flows_seen {integer} NOT NULL, to_host_2s {integer},
    to_host {integer}, cold {integer} NOT NULL, at_s {real}, source TEXT, source_port {integer},
    host TEXT, port {integer}, protocol TEXT, flag TEXT,
    PRIMARY KEY (owner, number)
) {clustered};
"""
INSERT = "INSERT INTO flow VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
SINCE = (
    "SELECT number, event_id, mark, features, flows_seen, to_host_2s, to_host, cold, at_s, source, "
    "source_port, host, port, protocol, flag FROM flow WHERE owner = ? AND number > ? ORDER BY number"
)
FORGET = "DELETE FROM flow WHERE owner = ? AND number <= ?"


class Taken(NamedTuple):
    """A flow as it was first seen.

    Attributes:
        event_id: Unique for its owner.
        mark: Tells it from another flow with its id.
        row: Its features.
        memory: What was known when it came.
        plain: What windows count; absent if it brought its own.
    """

    event_id: str
    mark: bytes
    row: Row
    memory: FlowMemory
    plain: Flow | None


class FlowLog:
    """Appends and reads back, by numbers that each owner's flows have in a row.

    Every method raises what a `Record` raises.

    Args:
        place: Of the record; `None` keeps everything in memory.

    Raises:
        ModelUnavailable: The file cannot be opened.
    """

    def __init__(self, place: Place) -> None:
        self._record = open_record(place, SCHEMA, "the flows")

    def transaction(self, owner: str) -> AbstractContextManager[None]:
        """All or nothing, one writer of an owner's flows at a time."""
        return self._record.transaction(owner)

    def since(self, owner: str, number: int) -> Iterator[tuple[int, Taken]]:
        """Flows after a number, in order, with theirs."""
        for row in self._record.execute(SINCE, (owner, number)):
            yield row[0], _taken(row[1:])

    def append(self, owner: str, after: int, taken: Sequence[Taken]) -> None:
        """Add flows and forget the oldest; within a transaction."""
        rows = [(owner, number, *_columns(each)) for number, each in enumerate(taken, after + 1)]
        self._record.executemany(INSERT, rows)
        self._record.execute(FORGET, (owner, after + len(rows) - KEPT))

    def close(self) -> None:
        """Release the record."""
        self._record.close()


def _columns(taken: Taken) -> tuple[object, ...]:
    memory, plain = taken.memory, taken.plain
    seen = memory.flows_seen, memory.to_host_2s, memory.to_host, int(memory.cold)
    window: tuple[object, ...] = (None,) * 7
    if plain is not None:
        window = (plain.at_s, plain.source, plain.source_port, plain.host, plain.port)
        window += (plain.protocol, plain.flag)
    return taken.event_id, taken.mark, taken.row.tobytes(), *seen, *window


def _taken(row: Sequence[Any]) -> Taken:
    event_id, mark, features, flows_seen, near, last, cold, at_s, *ends, flag = row
    memory = FlowMemory(flows_seen=flows_seen, to_host_2s=near, to_host=last, cold=bool(cold))
    plain = None
    if at_s is not None:
        # Windows ask for nothing else.
        plain = Flow._make((at_s, *ends, OTHER, flag, math.nan, math.nan, math.nan))
    return Taken(event_id, mark, np.frombuffer(features, np.float32), memory, plain)
