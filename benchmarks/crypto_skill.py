"""CRPS skill of the crypto models over GARCH-FHS, walk-forward on candle files.

What is learned from several coins is trained on bars that closed before the first origin. For the
unseen coin it is trained on the other coins alone. With `--shipped` the shipped weights answer
instead, which is honest only for bars after their training.

Run: `python -m benchmarks.crypto_skill FOLDER [--start 2022-07-01] [--end 2024-06-30]`.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt

from benchmarks.machine import report
from models.crypto.adapted import adapted
from models.crypto.backtest import choose_origins, losses, tails_of, walk
from models.crypto.candles import Candles, Interval
from models.crypto.metrics import covered, diebold_mariano
from models.crypto.networks import NetworkName
from models.crypto.scale_models import ScaleModels, ScaleName
from models.crypto.shapes import GRID
from models.crypto.train import date_ms, read_folder, until
from models.crypto.training import fit_members, fit_pool, lesson_of
from models.crypto.walked import Walked

STRIDE = {"1h": 5, "1d": 1}
HORIZONS = 7
LEVELS = (0.8, 0.95)
BoolArray = npt.NDArray[np.bool_]
WORDS: dict[Interval, str] = {"1h": "hourly", "1d": "daily"}
MAIN: dict[Interval, ScaleName] = {"1h": "blend", "1d": "har"}


def main() -> None:
    """Print skill, coverage and tests of tails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--start", default="2022-07-01")
    parser.add_argument("--end", default="2100-01-01")
    parser.add_argument("--stride", type=int, help="bars between hourly origins")
    parser.add_argument("--models", default="har,lstm,patch,blend")
    parser.add_argument("--shipped", action="store_true")
    parser.add_argument("--no-unseen", action="store_true", help="leave out the unseen coin")
    options = parser.parse_args()
    began = time.monotonic()
    coins = read_folder(options.folder)
    names: list[ScaleName] = options.models.split(",")
    if options.stride:
        STRIDE["1h"] = options.stride
    span = date_ms(options.start), date_ms(options.end)
    figures: dict[str, object] = {}
    tails: dict[str, list[bool]] = {"": [], "served_": []}
    insides: dict[str, list[BoolArray]] = {}
    for interval in get_args(Interval):
        same = [coin for coin in coins if coin.interval == interval]
        if not same:
            continue
        models = ScaleModels() if options.shipped else trained(same, span[0], names)
        walked = {coin.symbol: walked_coin(coin, names, models, span) for coin in same}
        figures |= skills(interval, walked, names)
        served: dict[str, dict[ScaleName, Walked]] = {}
        for symbol, each in walked.items():
            found = each[MAIN[interval]]
            bent = adapted(found)
            tails[""] += [test.passed for test in tails_of(found)]
            tails["served_"] += [test.passed for test in tails_of(bent)]
            served[symbol] = {MAIN[interval]: bent, "garch": each["garch"]}
            note_coverage(insides, figures, WORDS[interval], found, bent)
        figures |= skills(interval, served, [MAIN[interval]], "served_")
        if not options.shipped and not options.no_unseen and len(same) > 1:
            figures |= unseen(same, walked, span)
    report(
        {
            **figures,
            **{name: percent(np.concatenate(parts)) for name, parts in insides.items()},
            **{f"{prefix}var_cells_passed": sum(passed) for prefix, passed in tails.items()},
            "var_cells": len(tails[""]),
            "models": MAIN,
            "seconds": round(time.monotonic() - began, 1),
        }
    )


def note_coverage(
    insides: dict[str, list[BoolArray]],
    figures: dict[str, object],
    word: str,
    raw: Walked,
    served: Walked,
) -> None:
    """Keep what fell inside: over all scored forecasts, and one figure per coin."""
    for prefix, walked in (("raw_", raw), ("", served)):
        for level in LEVELS:
            name = f"{prefix}coverage_{round(100 * level)}"
            inside = covered(walked.curves, walked.truth, level, GRID).ravel()
            insides.setdefault(name, []).append(inside)
            per_coin = figures.setdefault(f"{word}_{name}", [])
            assert isinstance(per_coin, list)
            per_coin.append(percent(inside))


def percent(inside: BoolArray) -> float:
    """Share of what is true."""
    return round(100 * float(inside.mean()), 2)


def trained(coins: Sequence[Candles], start_ms: int, names: Sequence[ScaleName]) -> ScaleModels:
    """Everything that coins share, from bars before `start_ms`."""
    past = [known for coin in coins if (known := until(coin, start_ms))]
    pool = fit_pool(past)
    lessons = [lesson_of(coin, pool) for coin in past]
    members = {
        (network, pool.interval): fit_members(network, pool.interval, lessons, 0)
        for network in get_args(NetworkName)
        if network in names or (network == "lstm" and "blend" in names)
    }
    return ScaleModels(pools={pool.interval: pool}, members=members)


def walked_coin(
    coin: Candles, names: Sequence[ScaleName], models: ScaleModels, span: tuple[int, int]
) -> dict[ScaleName, Walked]:
    """Every model and the yardstick on the origins of one coin."""
    origins = choose_origins(coin, *span, STRIDE[coin.interval], HORIZONS)
    print(f"{coin.symbol} {coin.interval}: {len(origins)} origins", file=sys.stderr, flush=True)
    every: list[ScaleName] = ["garch", *names]
    return {name: walk(coin, name, origins, HORIZONS, models) for name in every}


def skill(walked: Walked, yardstick: Walked) -> tuple[float, float]:
    """In per cent, and the Diebold-Mariano t."""
    loss, reference = losses(walked), losses(yardstick)
    t = diebold_mariano(loss.mean(1), reference.mean(1), HORIZONS)
    return 100 * (1 - float(loss.mean() / reference.mean())), t


def skills(
    interval: Interval,
    walked: dict[str, dict[ScaleName, Walked]],
    names: Sequence[ScaleName],
    served: str = "",
) -> dict[str, object]:
    """Skill per coin and their mean, per model; `served` marks intervals adapted to the record."""
    word = f"{served}{WORDS[interval]}"
    figures: dict[str, object] = {}
    for name in names:
        found = {coin: skill(each[name], each["garch"]) for coin, each in walked.items()}
        values = [value for value, _ in found.values()]
        prefix = word if name == MAIN[interval] else f"{word}_{name}"
        figures[f"{prefix}_mean_skill_pct"] = round(float(np.mean(values)), 3)
        figures[f"{prefix}_worst_skill_pct"] = round(min(values), 3)
        for coin, (value, t) in found.items():
            figures[f"{prefix}_{coin}_skill_pct"] = round(value, 2)
            figures[f"{prefix}_{coin}_dm_t"] = round(t, 2)
    if not served:
        figures[f"{word}_n"] = len(next(iter(walked.values()))["garch"].truth)
    return figures


def unseen(
    coins: Sequence[Candles],
    walked: dict[str, dict[ScaleName, Walked]],
    span: tuple[int, int],
) -> dict[str, object]:
    """Skill on each coin with weights of the others alone."""
    values = []
    for coin in coins:
        others = [other for other in coins if other.symbol != coin.symbol]
        models = trained(others, span[0], [MAIN[coin.interval]])
        origins = choose_origins(coin, *span, STRIDE[coin.interval], HORIZONS)
        found = walk(coin, MAIN[coin.interval], origins, HORIZONS, models)
        values.append(skill(found, walked[coin.symbol]["garch"])[0])
    prefix = "" if coins[0].interval == "1h" else "daily_"
    return {
        f"{prefix}unseen_coin_skill_pct": round(float(np.mean(values)), 3),
        f"{prefix}unseen_coin_worst_skill_pct": round(min(values), 3),
    }


if __name__ == "__main__":
    main()
