"""From flows in any form to the rows that the network model takes; NaN means not known."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.fraud.flow_schema import NslKdd
from models.fraud.flows import (
    CATEGORIES,
    FLAGS,
    NUMBERS,
    PROTOCOLS,
    SERVICES,
    WINDOWS,
    Flow,
    plain_flag,
    service_group,
)

COLUMNS = NUMBERS + WINDOWS
LEVELS: Mapping[str, tuple[str, ...]] = dict(
    zip(CATEGORIES, (PROTOCOLS, SERVICES, FLAGS), strict=True)
)
WIDTH = len(COLUMNS) + sum(map(len, LEVELS.values()))
SOURCE_OF = (
    *COLUMNS,
    *(name for name, values in LEVELS.items() for _ in values),
)
"""The feature that each column of a row belongs to."""

Row = npt.NDArray[np.float32]
_PLACE = {
    (name, value): len(COLUMNS) + place
    for place, (name, value) in enumerate(
        (name, value) for name, values in LEVELS.items() for value in values
    )
}


def row_of(numbers: Mapping[str, float | None], categories: Mapping[str, str]) -> Row:
    """A row, `(WIDTH,)`: numbers first, then a 1 at the level of each category."""
    row = np.zeros(WIDTH, np.float32)
    row[: len(COLUMNS)] = [
        np.nan if (number := numbers.get(name)) is None else number for name in COLUMNS
    ]
    for category in categories.items():
        place = _PLACE.get(category)
        if place is not None:
            row[place] = 1
    return row


def row_of_nsl_kdd(given: NslKdd) -> Row:
    """A row of a record that brings its windows."""
    categories = {
        "protocol_type": given.protocol_type,
        "service": service_group(given.service, protocol=given.protocol_type),
        "flag": plain_flag(given.flag, given.protocol_type),
    }
    return row_of({name: getattr(given, name) for name in COLUMNS}, categories)


def row_of_flow(
    flow: Flow, windows: Mapping[str, float], content: Mapping[str, float] | None = None
) -> Row:
    """A row of a flow and its windows; `content` is what its payload told, if it was read."""
    numbers = {
        "duration": flow.duration_s,
        "src_bytes": flow.sent_bytes,
        "dst_bytes": flow.received_bytes,
        "land": float(flow.land),
        **windows,
        **(content or {}),
    }
    categories = {"protocol_type": flow.protocol, "service": flow.service, "flag": flow.flag}
    return row_of(numbers, categories)


def described(row: Row) -> dict[str, float | str]:
    """Features of a row by name, those that are not known left out: what rules may ask for."""
    facts: dict[str, float | str] = {
        name: float(value)
        for name, value in zip(COLUMNS, row.tolist(), strict=False)
        if value == value  # NaN
    }
    for (name, value), place in _PLACE.items():
        if row[place]:
            facts[name] = value
    return facts


def stacked(rows: Sequence[Row]) -> npt.NDArray[np.float64]:
    """Rows together, `(N, WIDTH)`."""
    return np.array(rows, np.float64).reshape(len(rows), WIDTH)
