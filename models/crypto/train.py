"""Train on candle files: `python -m models.crypto.train CANDLES_DIR --out DIR`.

Files are named `COIN_1h.parquet`, `COIN_1d.csv` and so on (`BTCUSDT_1h` is BTC), with columns
`ts, open, high, low, close, volume`; `ts` is when the bar opened, UTC.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from models.core.errors import InvalidInput
from models.core.weights import save_json, save_weights
from models.crypto.candles import Candles, Interval
from models.crypto.networks import NetworkName, file_name
from models.crypto.scale_models import POOL
from models.crypto.training import fit_members, fit_pool, intervals_of, lesson_of

QUOTES = ("USDT", "USDC", "USD")
COLUMNS = ("open", "high", "low", "close", "volume")


def main() -> None:
    """Train and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("candles", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--until", help="use bars that closed by this date only, such as 2023-07-01"
    )
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    coins = read_folder(options.candles)
    if options.until:
        coins = [known for coin in coins if (known := until(coin, date_ms(options.until)))]
    train(coins, options.out, options.seed, options.device)


def train(coins: Sequence[Candles], out: Path, seed: int, device: str = "cpu") -> None:
    """Fit everything that is shared and write it, with a manifest, to `out`.

    Raises:
        InvalidInput: No coin has enough bars.
    """
    if not coins:
        raise InvalidInput("no candle files were found")
    pools = {}
    for interval in intervals_of(coins):
        same = [coin for coin in coins if coin.interval == interval]
        pool = fit_pool(same)
        pools[interval] = pool.to_json()
        lessons = [lesson_of(coin, pool) for coin in same]
        for name in get_args(NetworkName):
            began = time.process_time()
            members = fit_members(name, interval, lessons, seed, device=device)
            tensors = {
                f"{index}.{key}": value
                for index, member in enumerate(members)
                for key, value in member.state_dict().items()
            }
            save_weights(out, file_name(name, interval), tensors, source=source_of(same, seed))
            spent = time.process_time() - began
            print(f"{name} {interval}: {spent:.0f} CPU s", file=sys.stderr)  # noqa: T201
    save_json(out, POOL, pools, source=source_of(coins, seed))


def source_of(coins: Sequence[Candles], seed: int) -> str:
    """What weights come from, for the manifest."""
    names = ", ".join(sorted({coin.symbol for coin in coins}))
    first = min(int(coin.opens_at_ms[0]) for coin in coins)
    last = max(coin.closed_at_ms for coin in coins)
    days = [datetime.fromtimestamp(ms / 1000, UTC).date().isoformat() for ms in (first, last)]
    return f"candles of {names}, {days[0]} to {days[1]}, seed {seed}"


def read_folder(folder: Path) -> list[Candles]:
    """All candle files of a folder, in order of name."""
    names = (
        f"*_{interval}.{kind}" for interval in get_args(Interval) for kind in ("parquet", "csv")
    )
    return [read_candles(path) for name in names for path in sorted(folder.glob(name))]


def read_candles(path: Path) -> Candles:
    """One file.

    Raises:
        InvalidInput: Its name or its content is not as described above.
    """
    pair, _, interval = path.stem.rpartition("_")
    if interval not in get_args(Interval) or not pair:
        raise InvalidInput(f"{path.name}: expected a name such as BTC_1h.parquet")
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    if missing := {"ts", *COLUMNS} - set(frame.columns):
        raise InvalidInput(f"{path.name}: columns are missing: {', '.join(sorted(missing))}")
    times = pd.to_datetime(frame["ts"], utc=True).dt.as_unit("ms").astype("int64").to_numpy()
    order = np.argsort(times, kind="stable")
    columns = [frame[name].to_numpy(np.float64)[order] for name in COLUMNS]
    quote = next((quote for quote in QUOTES if pair.endswith(quote) and pair != quote), "")
    name: Interval = "1h" if interval == "1h" else "1d"
    return Candles(pair.removesuffix(quote), name, times[order], *columns, source=path.name)


def until(coin: Candles, limit_ms: int) -> Candles | None:
    """Bars that closed by then, or none."""
    count = int(np.searchsorted(coin.opens_at_ms + coin.step_ms, limit_ms, "right"))
    return coin.part(0, count) if count else None


def date_ms(day: str) -> int:
    """Midnight UTC of a date such as 2023-07-01."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


if __name__ == "__main__":
    main()
