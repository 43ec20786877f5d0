"""Pump-and-dump on announced events: folds by event, alerts judged against the visible onset.

An alert is right if it comes within a minute of the onset; half an hour of silence follows each.
Scores are of models that saw no chunk of the event. The threshold of each fold is the best one on
out-of-fold scores of the other events. Wash trades and spoofing are measured on simulated days, by
account: no public record names the guilty.

Run: `python -m benchmarks.fraud_market FOLDER [--size 25]`.
"""

import argparse
import csv
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet
import xgboost
from sklearn.metrics import average_precision_score

from benchmarks.machine import report
from models.fraud.manipulation import spoofers, wash_groups
from models.fraud.market import alerts, cut, features, onset
from models.fraud.market_scoring import MarketModel
from models.fraud.market_simulator import book_day, wash_day
from models.fraud.tape import SIZE_S

FOLDS = 5
NEAR_S = 60
AFTERMATH_S = 3600
WARM_UP_S = 3600
SIMULATED_DAYS = range(100, 120)
PARAMETERS = {
    "objective": "binary:logistic",
    "base_score": 0.5,
    "max_depth": 4,
    "eta": 0.1,
    "subsample": 0.9,
    "colsample_bynode": 0.5,
    "min_child_weight": 0.5,
    "nthread": 1,
    "seed": 0,
}
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Event:
    """One announced pump with the days around it."""

    name: str
    rows: Floats
    onset: int


@dataclass
class Counts:
    """Alerts of several events at one threshold."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / max(1, 2 * self.right + self.wrong + self.missed)


def main() -> None:
    """Print F1, false alerts and recall."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=25, help="seconds of a chunk")
    options = parser.parse_args()
    started = time.monotonic()
    events, announced = _load(options.folder, options.size)
    print(f"{len(events)} of {announced} events have a visible onset", file=sys.stderr)
    fold = np.arange(len(events)) % FOLDS
    scores = _out_of_fold(events, fold, options.size)
    total = Counts()
    for part in range(FOLDS):
        inside = [i for i in range(len(events)) if fold[i] != part]
        threshold = _best([events[i] for i in inside], [scores[i] for i in inside], options.size)
        held = [i for i in range(len(events)) if fold[i] == part]
        counts = _count(
            [events[i] for i in held], [scores[i] for i in held], threshold, options.size
        )
        print(part, threshold, counts, file=sys.stderr)
        total.right += counts.right
        total.wrong += counts.wrong
        total.missed += counts.missed
    days = sum(len(event.rows) for event in events) * options.size / 86_400
    truth = np.concatenate([_truth(event) for event in events])
    size = options.size
    report(
        {
            f"f1_{size}s": round(total.f1, 4),
            f"average_precision_{size}s": round(
                float(average_precision_score(truth, np.concatenate(scores))), 4
            ),
            "false_alerts_per_coin_day": round(total.wrong / days, 4),
            "event_recall": round(total.right / len(events), 4),
            "event_recall_of_announced": round(total.right / announced, 4),
            "precision": round(total.right / max(1, total.right + total.wrong), 4),
            **(_shipped(events, size) if size == SIZE_S else {}),
            **_simulated(),
            "n": len(truth),
            "events": len(events),
            "seconds": round(time.monotonic() - started, 1),
        }
    )


def _shipped(events: list[Event], size_s: int) -> dict[str, float]:
    """The served model, which learned from simulated days alone, at even odds."""
    model = MarketModel.load()["pump"]
    scores = [model.calibration.many(model.margins(event.rows)) for event in events]
    for score in scores:
        score[: WARM_UP_S // size_s] = 0
    counts = _count(events, scores, 0.5, size_s)
    days = sum(len(event.rows) for event in events) * size_s / 86_400
    return {
        "shipped_f1": round(counts.f1, 4),
        "shipped_event_recall": round(counts.right / len(events), 4),
        "shipped_false_alerts_per_coin_day": round(counts.wrong / days, 4),
    }


def _simulated() -> dict[str, float]:
    """F1 over the accounts of days that no rule was chosen on."""
    washed: list[tuple[set[str], set[str]]] = []
    spoofed: list[tuple[set[str], set[str]]] = []
    for seed in SIMULATED_DAYS:
        fills, washers = wash_day(seed)
        washed.append((set().union(*wash_groups(fills)), washers))
        events, guilty = book_day(seed)
        spoofed.append((spoofers(events), guilty))
    return {"wash_f1": _account_f1(washed), "spoofing_f1": _account_f1(spoofed)}


def _account_f1(days: list[tuple[set[str], set[str]]]) -> float:
    right = sum(len(found & guilty) for found, guilty in days)
    errors = sum(len(found ^ guilty) for found, guilty in days)
    return round(2 * right / (2 * right + errors), 4)


def _load(folder: Path, size_s: int) -> tuple[list[Event], int]:
    with (folder / "events.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    events = []
    for row in listed:
        table = pyarrow.parquet.read_table(folder / f"{row['event_id']}.parquet")
        names = ("ts_ms", "taker_buy", "price", "amount")
        columns = [table.column(name).to_numpy() for name in names]
        order = np.argsort(columns[0], kind="stable")
        chunks = cut(*(column[order] for column in columns), size_s)
        announced_s = datetime.fromisoformat(row["announced_utc"]).timestamp()
        place = onset(chunks, size_s, announced_s)
        if place is not None:
            events.append(Event(row["event_id"], features(chunks, size_s), place))
    return events, len(listed)


def _truth(event: Event) -> npt.NDArray[np.bool_]:
    return np.arange(len(event.rows)) == event.onset


def _out_of_fold(events: list[Event], fold: npt.NDArray[np.int64], size_s: int) -> list[Floats]:
    scores: list[Floats] = [np.empty(0)] * len(events)
    for part in range(FOLDS):
        rows, truth = [], []
        for event, number in zip(events, fold, strict=True):
            if number == part:
                continue
            place = np.arange(len(event.rows))
            after = (place > event.onset) & (place <= event.onset + AFTERMATH_S // size_s)
            keep = ~after & (place >= WARM_UP_S // size_s)
            rows.append(event.rows[keep])
            truth.append(_truth(event)[keep])
        matrix = xgboost.DMatrix(np.concatenate(rows), np.concatenate(truth), nthread=1)
        booster = xgboost.train(PARAMETERS, matrix, 150)
        for index in np.flatnonzero(fold == part):
            scores[index] = booster.inplace_predict(events[index].rows)
            scores[index][: WARM_UP_S // size_s] = 0
    return scores


def _best(events: list[Event], scores: list[Floats], size_s: int) -> float:
    """The threshold of the best F1; the middle one where several are equally good."""
    grid = np.geomspace(0.02, 0.9, 40)
    f1 = np.array([_count(events, scores, threshold, size_s).f1 for threshold in grid])
    best = np.flatnonzero(f1 == f1.max())
    return float(grid[best[len(best) // 2]])


def _count(events: list[Event], scores: list[Floats], threshold: float, size_s: int) -> Counts:
    counts = Counts()
    for event, score in zip(events, scores, strict=True):
        near = np.abs(alerts(score, threshold, size_s) - event.onset) * size_s <= NEAR_S
        counts.right += int(near.any())
        counts.missed += int(not near.any())
        counts.wrong += int((~near).sum())
    return counts


if __name__ == "__main__":
    main()
