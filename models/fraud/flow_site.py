"""One network: what is ordinary on it, and how strange a flow may be before it raises an alarm."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.core.errors import InvalidInput, ModelUnavailable
from models.fraud.flow_rows import row_of_flow, row_of_nsl_kdd, stacked
from models.fraud.flow_schema import NetworkFlow
from models.fraud.flow_windows import WARM_FLOWS, FlowWindows
from models.fraud.ordinary import Ordinary
from models.fraud.packing import packed, unpacked
from models.fraud.record import NOT_RECORDED
from models.fraud.shelf import Shelf
from models.fraud.surprise import joined, tails_of

LEAST_FLOWS = 1_000
"""Below so many the limit of a rare event is left to chance."""
MOST_TAILS = 2_000
ARRAYS = (*Ordinary.__dataclass_fields__, "tails")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Site:
    """How strange ordinary flows of one network are.

    Attributes:
        ordinary: What the detectors of distance compare with.
        tails: `(N, 4)`, each detector's scores of them in order.
        limit: Of the joined score, which the budgeted share of them exceeds.
    """

    ordinary: Ordinary
    tails: Floats
    limit: float


def limited(ordinary: Ordinary, scores: Floats, budget: float) -> Site:
    """A site from the scores, `(N, 4)`, of ordinary flows that the detectors never saw."""
    levels = np.linspace(0, 1, min(len(scores), MOST_TAILS))
    tails = np.quantile(scores, levels, axis=0)
    return Site(ordinary, tails, float(np.quantile(joined(tails_of(scores, tails)), 1 - budget)))


def ordinary_rows(flows: Sequence[NetworkFlow]) -> Floats:
    """Rows of flows in order, without those that came while the windows were filling: `(N, WIDTH)`.

    Raises:
        InvalidInput: There are too few.
    """
    windows, rows = FlowWindows(), []
    for flow in flows:
        if flow.nsl_kdd is not None:
            rows.append(row_of_nsl_kdd(flow.nsl_kdd))
            continue
        assert flow.log_row is not None  # noqa: S101  # exactly one form is given
        plain = flow.log_row.flow()
        warm = windows.flows >= WARM_FLOWS
        row = row_of_flow(plain, windows.add(plain))
        if warm:
            rows.append(row)
    if len(rows) < LEAST_FLOWS:
        raise InvalidInput(
            f"expected at least {LEAST_FLOWS} flows, the first {WARM_FLOWS} of a log not counted; "
            f"found {len(rows)}"
        )
    return stacked(rows)


class Sites:
    """The sites of all owners; other replicas' changes are seen at the next look.

    Args:
        shelf: Where they are kept.
        sha256: Of the model, whose scores the sites hold.
    """

    def __init__(self, shelf: Shelf, sha256: str) -> None:
        self._shelf, self._sha256 = shelf, sha256
        self._read: dict[str, tuple[int, Site | None]] = {}

    def of(self, owner: str) -> Site | None:
        """What is ordinary on the owner's network, if it was told to the present model.

        Where the shelf does not answer it is what was last known, and if that is nothing the
        verdicts say that they are not calibrated.
        """
        known = self._read.get(owner)
        try:
            version = self._shelf.version(owner)
            if version is None:
                return None
            if known is None or known[0] != version:
                known = self._read[owner] = version, self._load(owner)
        except NOT_RECORDED:
            pass
        return None if known is None else known[1]

    def keep(self, owner: str, site: Site) -> None:
        """Remember a site in place of the owner's earlier one.

        Raises:
            CapabilityError: It cannot be written; the earlier one stays.
        """
        arrays = {name: getattr(site.ordinary, name) for name in ARRAYS[:-1]}
        arrays["tails"] = site.tails
        content = {
            "model": self._sha256,
            "limit": site.limit,
            **{name: packed(array.astype("<f4")) for name, array in arrays.items()},
        }
        self._shelf.write(owner, json.dumps(content))
        self._read.pop(owner, None)

    def _load(self, owner: str) -> Site | None:
        try:
            content = json.loads(self._shelf.read(owner))
            if content["model"] != self._sha256:
                return None
            *arrays, tails = [unpacked(content[name], np.float64) for name in ARRAYS]
            return Site(Ordinary(*arrays), tails, float(content["limit"]))
        except (OSError, ValueError, KeyError, TypeError, ModelUnavailable):
            return None  # its verdicts say that they are not calibrated
