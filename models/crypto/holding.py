"""Until when odds may be repeated as they are: until the next bar closes."""

from typing import Final

from models.core.capability import Holding
from models.crypto.schema import Interval, Prediction, PredictResult

STEP_S: Final[dict[Interval, int]] = {"1h": 3600, "1d": 86_400}


def held_until_next_bar(result: PredictResult) -> Holding | None:
    """When the first of its bars is followed by another one; none if it should be asked again.

    What is degraded, refused or invented may be mended before a bar closes, and a chart is a file
    of its own.
    """
    untils_s = []
    again = []
    for each in result.results:
        if not isinstance(each, Prediction) or each.degraded or each.synthetic or each.chart:
            return None
        untils_s.append(each.made_at_ms / 1000 + STEP_S[each.interval])
        again.append(each.model_copy(update={"cached": True}))
    if not untils_s:
        return None
    return Holding(min(untils_s), result.model_copy(update={"results": tuple(again)}))
