"""Simulated card payments of the Fraud Detection Handbook: loading, its features, its measures."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.dataset

from models.fraud.payments import Payment

START_S = datetime(2018, 4, 1, tzinfo=UTC).timestamp()
DAY_S = 86_400
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Payments:
    """Columns, in order of event time; `t_s` counts from 2018-04-01."""

    t_s: npt.NDArray[np.int64]
    customer: npt.NDArray[np.int64]
    terminal: npt.NDArray[np.int64]
    cents: npt.NDArray[np.int64]
    fraud: npt.NDArray[np.bool_]

    @property
    def day(self) -> npt.NDArray[np.int64]:
        """Days since 2018-04-01."""
        return self.t_s // DAY_S


def load(folder: Path) -> Payments:
    """Read every payment; the scenario that made a fraud is left out."""
    columns = ["t", "customer", "terminal", "amount_cents", "fraud"]
    table = pyarrow.dataset.dataset(sorted(folder.glob("tx_*.parquet"))).to_table(columns=columns)
    t_s, customer, terminal, cents = (
        table.column(name).to_numpy().astype(np.int64) for name in columns[:4]
    )
    order = np.argsort(t_s, kind="stable")
    fraud = table.column("fraud").to_numpy()[order]
    return Payments(t_s[order], customer[order], terminal[order], cents[order], fraud)


def unreported(folder: Path, payments: Payments) -> npt.NDArray[np.bool_]:
    """Frauds at compromised terminals of whose present run, 28 days, nothing can be known yet."""
    table = pyarrow.dataset.dataset(sorted(folder.glob("tx_*.parquet"))).to_table(
        columns=["t", "scenario"]
    )
    order = np.argsort(table.column("t").to_numpy().astype(np.int64), kind="stable")
    at_terminal = np.flatnonzero(table.column("scenario").to_numpy()[order] == 2)
    hidden = np.zeros(len(order), bool)
    runs: dict[int, list[int]] = {}
    for place in at_terminal.tolist():
        now = int(payments.t_s[place])
        run = runs.setdefault(int(payments.terminal[place]), [])
        hidden[place] = not any(7 * DAY_S <= now - then <= 28 * DAY_S for then in run)
        run.append(now)
    return hidden


def labelled(payments: Payments) -> Iterator[tuple[Payment, bool]]:
    """The payments as the service takes them, with their labels."""
    columns = (
        (payments.t_s + START_S).tolist(),
        map(str, payments.customer.tolist()),
        map(str, payments.terminal.tolist()),
        payments.cents.tolist(),
        payments.fraud.tolist(),
    )
    for number, (at_s, customer, terminal, cents, fraud) in enumerate(zip(*columns, strict=True)):
        if number % 200_000 == 0:
            print(f"{number} payments streamed", file=sys.stderr)
        yield Payment(str(number), at_s, customer, terminal, cents), fraud


def book_features(payments: Payments) -> Array:
    """The 15 features of the book's chapter 3: amount, two flags, windows of 1, 7 and 30 days."""
    hour = payments.t_s % DAY_S // 3600
    weekend = (payments.day + 6) % 7 >= 5  # 2018-04-01 was a Sunday
    columns = [payments.cents / 100, weekend, hour <= 6]
    for key, values, delay in (
        (payments.customer, payments.cents / 100, 0),
        (payments.terminal, payments.fraud.astype(float), 7),
    ):
        for days in (1, 7, 30):
            columns += _window(key, payments.t_s, values, days, delay)
    return np.column_stack(columns).astype(np.float32)


def _window(
    key: npt.NDArray[np.int64], t_s: npt.NDArray[np.int64], values: Array, days: int, delay: int
) -> tuple[Array, Array]:
    """Count and mean over a window that ends `delay` days ago, the payment itself included."""
    place = key * 10**9 + t_s
    order = np.argsort(place, kind="stable")
    ordered = place[order]
    sums = np.r_[0.0, np.cumsum(values[order])]

    def until(days_ago: int) -> npt.NDArray[np.int64]:
        edge = np.maximum(t_s - days_ago * DAY_S, -1)
        return np.searchsorted(ordered, key * 10**9 + edge, "right")

    start, end = until(days + delay), until(delay)
    count = (end - start).astype(float)
    mean = np.divide(sums[end] - sums[start], count, out=np.zeros_like(count), where=count > 0)
    return count, mean


def evaluated(
    payments: Payments, first_train_day: int, first_test_day: int
) -> npt.NDArray[np.int64]:
    """Rows of a test week without the cards that the book takes as known to be compromised.

    These are the cards with a fraud in the training days, and, day by day, those whose fraud became
    known since, seven days after it.
    """
    day, chosen = payments.day, []
    trained = (day >= first_train_day) & (day < first_test_day - 7)
    known = set(payments.customer[trained & payments.fraud].tolist())
    for today in range(first_test_day, first_test_day + 7):
        known |= set(payments.customer[(day == today - 8) & payments.fraud].tolist())
        rows = np.flatnonzero(day == today)
        chosen.append(rows[~np.isin(payments.customer[rows], list(known))])
    return np.concatenate(chosen)


def card_precision(
    payments: Payments, rows: npt.NDArray[np.int64], score: Array, top: int
) -> float:
    """Mean over days of the share of compromised cards among the `top` cards not caught before."""
    caught: set[int] = set()
    shares = []
    for today in np.unique(payments.day[rows]):
        here = payments.day[rows] == today
        cards: dict[int, tuple[float, bool]] = {}
        for card, value, fraud in zip(
            payments.customer[rows[here]].tolist(),
            score[here],
            payments.fraud[rows[here]],
            strict=True,
        ):
            if card not in caught:
                best, any_fraud = cards.get(card, (-np.inf, False))
                cards[card] = (max(best, value), any_fraud or bool(fraud))
        ranked = sorted(cards.items(), key=lambda item: (-item[1][0], item[0]))[:top]
        found = [card for card, (_, fraud) in ranked if fraud]
        shares.append(len(found) / top)
        caught.update(found)
    return float(np.mean(shares))
