"""Training features: past payments sent through the very state that serves."""

import heapq
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from models.fraud.features import LABEL_DELAY_S
from models.fraud.payments import Payment
from models.fraud.velocity import Accepted, Velocity


def streamed_features(labelled: Iterable[tuple[Payment, bool]]) -> npt.NDArray[np.float32]:
    """Features of each payment as they would have been when it happened.

    Args:
        labelled: Payments in event time, and whether each turned out to be fraud; a fraud is
            reported when its delay has passed.

    Returns:
        `(N, features)`.
    """
    velocity, waiting = Velocity(), list[tuple[float, int, Accepted]]()
    rows = []
    for number, (payment, fraud) in enumerate(labelled):
        while waiting and waiting[0][0] <= payment.at_s:
            velocity.report_fraud(heapq.heappop(waiting)[2], payment.at_s)
        values, accepted = velocity.features(payment)
        velocity.accept(accepted)
        rows.append(np.array(values, np.float32))
        if fraud:
            heapq.heappush(waiting, (payment.at_s + LABEL_DELAY_S, number, accepted))
    return np.array(rows, np.float32)
