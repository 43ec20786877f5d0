"""Make the market models on simulated days: no public record names who washed or spoofed."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from models.core.durable import write_atomically
from models.core.weights import save_json
from models.fraud.boosted import packed_trees
from models.fraud.calibration import fit_isotonic
from models.fraud.evidence import spoof_evidence, wash_evidence
from models.fraud.market import cut, features, onset
from models.fraud.market_scoring import FILE, PATTERNS, MarketModel
from models.fraud.market_simulator import book_day, wash_day
from models.fraud.pump_simulator import tape_day
from models.fraud.tape import SIZE_S, WARM_UP_S

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
Labelled = tuple[Floats, Labels]

VERSION = "1"
FOLDS = 4
AFTERMATH_S = 3600
HELD_FROM = 10_000
"""Seeds from here on are for measuring."""
PARAMETERS: dict[str, Any] = {
    "objective": "binary:logistic",
    "base_score": 0.5,
    "max_depth": 4,
    "eta": 0.1,
    "subsample": 0.9,
    "colsample_bynode": 0.5,
    "min_child_weight": 1,
    "nthread": 1,
}
TREES = {"pump": 80, "wash_trading": 40, "spoofing": 40}


def train_market(out: Path, *, seed: int, days: int) -> dict[str, float]:
    """Fit, measure on other days and write.

    Args:
        out: Folder of the weights.
        seed: Of everything random.
        days: Simulated days of each kind; half as many are for measuring.

    Returns:
        Figures by pattern.
    """
    content: dict[str, Any] = {"version": VERSION}
    for pattern in PATTERNS:
        rows, guilty = days_of(pattern, range(seed * 100_000, seed * 100_000 + days))
        content[pattern] = _fitted(pattern, rows, guilty, seed)
    source = f"simulated: {days} days of each pattern, seed {seed}"
    save_json(out, FILE, content, source=source)
    model = MarketModel.load(out)
    figures: dict[str, float] = {}
    for pattern in PATTERNS:
        held = seed * 100_000 + HELD_FROM
        rows, guilty = days_of(pattern, range(held, held + days // 2))
        found = measured(model[pattern].calibration.many(model[pattern].margins(rows)), guilty)
        figures |= {f"{pattern}_{name}": value for name, value in found.items()}
    write_atomically(out / "MARKET_CARD.md", _card(source, figures).encode())
    return figures


def days_of(pattern: str, seeds: Sequence[int]) -> Labelled:
    """Candidates of simulated days with the truth about them."""
    make = {"pump": _pump_rows, "wash_trading": _wash_rows, "spoofing": _spoof_rows}[pattern]
    rows, guilty = zip(*make(seeds), strict=True)
    return np.concatenate(rows), np.concatenate(guilty)


def measured(probabilities: Floats, guilty: Labels) -> dict[str, float]:
    """Average precision, and precision and recall at one half."""
    from sklearn.metrics import average_precision_score  # noqa: PLC0415  # slow

    named = probabilities >= 0.5
    figures = {
        "average_precision": average_precision_score(guilty, probabilities),
        "precision": (named & guilty).sum() / max(1, named.sum()),
        "recall": (named & guilty).sum() / max(1, guilty.sum()),
    }
    return {name: round(float(value), 4) for name, value in figures.items()}


def _pump_rows(seeds: Iterable[int]) -> Iterator[Labelled]:
    """Chunks: the onset is guilty, the hour after it says nothing."""
    for number, seed in enumerate(seeds):
        day = tape_day(seed, pump=number % 2 == 0)
        chunks = cut(day.ts_ms, day.taker_buy, day.price, day.amount, SIZE_S)
        rows, place = features(chunks, SIZE_S), np.arange(len(chunks.start_s))
        begun = None if day.pumped_s is None else onset(chunks, SIZE_S, day.pumped_s)
        keep = place >= WARM_UP_S // SIZE_S
        if begun is not None:
            keep &= (place <= begun) | (place > begun + AFTERMATH_S // SIZE_S)
        elif day.pumped_s is not None:
            continue
        yield (
            rows[keep],
            (place == begun)[keep] if begun is not None else np.zeros(keep.sum(), bool),
        )


def _wash_rows(seeds: Iterable[int]) -> Iterator[Labelled]:
    for seed in seeds:
        fills, washers = wash_day(seed)
        found = wash_evidence(fills)
        guilty = np.array([group <= washers for group in found], bool)
        yield np.array(list(found.values()), float).reshape(len(found), -1), guilty


def _spoof_rows(seeds: Iterable[int]) -> Iterator[Labelled]:
    for seed in seeds:
        events, spoofers = book_day(seed)
        found = spoof_evidence(events)
        guilty = np.array([account in spoofers for account in found], bool)
        yield np.array(list(found.values()), float).reshape(len(found), -1), guilty


def _fitted(pattern: str, rows: Floats, guilty: Labels, seed: int) -> dict[str, Any]:
    """Trees on everything; the calibration on margins of trees that left the rows out."""
    margins = np.empty(len(rows))
    for part in np.array_split(np.arange(len(rows)), FOLDS):
        rest = np.ones(len(rows), bool)
        rest[part] = False
        trees = _boost(pattern, rows[rest], guilty[rest], seed)
        margins[part] = trees.inplace_predict(rows[part].astype(np.float32), predict_type="margin")
    trees = _boost(pattern, rows, guilty, seed)
    return {
        "features": list(PATTERNS[pattern]),
        "calibration": fit_isotonic(margins, guilty).model_dump(mode="json"),
        "trees": packed_trees(trees),
    }


def _boost(pattern: str, rows: Floats, guilty: Labels, seed: int) -> xgboost.Booster:
    matrix = xgboost.DMatrix(rows.astype(np.float32), guilty.astype(np.float32), nthread=1)
    return xgboost.train({**PARAMETERS, "seed": seed}, matrix, TREES[pattern])


def _card(source: str, figures: dict[str, float]) -> str:
    lines = "\n".join(f"| {name.replace('_', ' ')} | {v:g} |" for name, v in figures.items())
    return f"""# Market models {VERSION}

Boosted trees (XGBoost) for the onset of a pump (chunks of {SIZE_S} s), for groups of accounts whose
trades go in a circle, and for accounts whose large orders vanish once a small one is filled.

Trained on: {source}. On days that were not learned from, by chunk, group and account:

| measure | value |
|---|---|
{lines}

**Use.** Windows of trades and of order events. The days are simulated
(`models/fraud/pump_simulator.py`, `models/fraud/market_simulator.py`): no public record names who
washed or spoofed. They promise nothing about a real market.

**Limits.** Pumps are recognised after an hour of trades. Wash trades and spoofing need accounts,
which public feeds do not tell. The probability holds at the share of guilt in training.
"""
