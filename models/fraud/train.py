"""Make the models: `python -m models.fraud.train [--payments FILE.csv] [--flows FILE.csv]`.

With files, the models of these are made; without any, all of them, on generated payments, flows
and markets. A file of payments has a header and the columns event_id, at (ISO 8601 with an offset),
customer_id, terminal_id, amount, fraud (0 or 1), and if known device_id and country; the last two
weeks are first held out to measure, and the model that is kept has then learned from everything. A
file of flows has the columns of NSL-KDD and `label`; 30 % of it are held out to measure.
"""

import argparse
import csv
import json
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.core.durable import write_atomically
from models.core.errors import InvalidInput
from models.core.weights import save_json
from models.fraud.calibration import expected_calibration_error
from models.fraud.drift import baseline_of
from models.fraud.features import DAY_S, LABEL_DELAY_S, NAMES
from models.fraud.flow_maker import Network
from models.fraud.generator import Town, generate
from models.fraud.payments import Payment
from models.fraud.scoring import FILE, WEIGHTS, TransactionModel
from models.fraud.stream import streamed_features
from models.fraud.train_flows import generated_days, read_flows, train_flows
from models.fraud.train_market import train_market
from models.fraud.training import Fitted, fit, margins_of

logger = logging.getLogger(__name__)

VERSION = "1"
WARM_UP_DAYS = 45.0
TEST_DAYS = 14.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure on the last two weeks, and write weights with their card."""
    parser = argparse.ArgumentParser(prog="python -m models.fraud.train", description=__doc__)
    parser.add_argument("--payments", type=Path, help="a CSV file of payments")
    parser.add_argument("--flows", type=Path, help="a CSV file of network flows")
    parser.add_argument("--only", choices=KINDS, help="one model, of generated data")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--customers", type=int, default=Town.customers)
    parser.add_argument("--days", type=int, default=Town.days)
    parser.add_argument("--fade-days", type=float, help="weigh payments so much older 1/e")
    parser.add_argument("--market-days", type=int, default=160, help="to simulate")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    given = [kind for kind in ("payments", "flows") if getattr(options, kind) is not None]
    for kind in given or ([options.only] if options.only else KINDS):
        logger.info("%s: %s", kind, json.dumps(_MAKE[kind](options)))


def _make_payments(options: argparse.Namespace) -> dict[str, float]:
    if options.payments is None:
        town = Town(customers=options.customers, terminals=options.customers, days=options.days)
        made = generate(town, options.seed)
        labelled = [(each.payment, bool(each.scenario)) for each in made]
        source = (
            f"generated: {options.customers} customers, {options.days} days, seed {options.seed}"
        )
    else:
        labelled = sorted(read_payments(options.payments), key=lambda pair: pair[0].at_s)
        source = f"{len(labelled)} payments of a file"
    return train(
        labelled, options.out, source=source, seed=options.seed, fade_days=options.fade_days
    )


def _make_flows(options: argparse.Namespace) -> dict[str, float]:
    seed = options.seed
    if options.flows is not None:
        rows, names = read_flows(options.flows)
        source = f"{len(rows)} flows of a file"
        return train_flows(rows, names, options.out, source=source, seed=seed, own_traffic=True)
    rows, names = generated_days(Network(), (seed, seed + 1))
    tested = generated_days(Network(), (seed + 100,))
    source = f"generated: 2 days of {Network.clients} clients, seed {seed}"
    return train_flows(rows, names, options.out, source=source, seed=seed, tested=tested)


def _make_market(options: argparse.Namespace) -> dict[str, float]:
    return train_market(options.out, seed=options.seed, days=options.market_days)


KINDS = ("payments", "flows", "market")
_MAKE = {"payments": _make_payments, "flows": _make_flows, "market": _make_market}


def train(
    labelled: Sequence[tuple[Payment, bool]],
    out: Path,
    *,
    source: str,
    seed: int,
    fade_days: float | None = None,
) -> dict[str, float]:
    """Fit, measure, refit, check and write.

    Returns:
        Figures of the two weeks that were held out, a week without labels before them.

    Raises:
        InvalidInput: There are too few days or frauds to learn from.
    """
    rows = streamed_features(labelled)
    fraud = np.array([label for _, label in labelled])
    at_s = np.array([payment.at_s for payment, _ in labelled])
    cut_s = at_s[-1] - TEST_DAYS * DAY_S
    warm = at_s >= min(at_s[0] + WARM_UP_DAYS * DAY_S, (at_s[0] + cut_s) / 2)
    known = warm & (at_s < cut_s - LABEL_DELAY_S)
    if fraud[known].sum() < 50 or fraud[at_s >= cut_s].sum() < 10:
        raise InvalidInput("too few frauds to learn from: expected 50, and 10 in the last 2 weeks")
    held = at_s >= cut_s
    earlier = fit(rows[known], fraud[known], at_s[known], seed=seed, fade_days=fade_days)
    figures = _measure(earlier, rows[held], fraud[held])
    final = fit(rows[warm], fraud[warm], at_s[warm], seed=seed, fade_days=fade_days)
    trained_until = datetime.fromtimestamp(final.trained_until_s, UTC).date().isoformat()
    version = f"{VERSION}-{trained_until}"
    save_json(
        out,
        FILE,
        {
            "version": version,
            "features": list(NAMES),
            "calibration": final.calibration.model_dump(mode="json"),
            "baseline": baseline_of(
                NAMES, rows[warm].astype(float), margins_of(final.booster, rows[warm])
            ),
            "model": json.loads(bytes(final.booster.save_raw("json"))),
        },
        source=source,
    )
    TransactionModel.load(out)  # the gate: packed trees agree with XGBoost
    write_atomically(out / "MODEL_CARD.md", _card(version, source, figures).encode())
    return figures


def read_payments(path: Path) -> Iterator[tuple[Payment, bool]]:
    """Read a CSV file.

    Raises:
        InvalidInput: A row is not as described.
    """
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            try:
                yield _payment(row), bool(int(row["fraud"]))
            except (KeyError, ValueError, TypeError) as error:
                raise InvalidInput(f"{path.name}, line {number}: {error!r}") from error


def _payment(row: dict[str, str]) -> Payment:
    at = datetime.fromisoformat(row["at"])
    if at.tzinfo is None:
        raise ValueError("the time needs an offset, such as +00:00")
    return Payment(
        row["event_id"],
        at.timestamp(),
        row["customer_id"],
        row["terminal_id"],
        round(100 * float(row["amount"])),
        row.get("device_id") or "",
        row.get("country") or "",
    )


def _measure(
    fitted: Fitted, rows: npt.NDArray[np.float32], fraud: npt.NDArray[np.bool_]
) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, roc_auc_score  # noqa: PLC0415  # slow

    margins = margins_of(fitted.booster, rows)
    probabilities = fitted.calibration.many(margins)
    figures = {
        "average_precision": average_precision_score(fraud, margins),
        "roc_auc": roc_auc_score(fraud, margins),
        "expected_calibration_error": expected_calibration_error(probabilities, fraud),
        "payments": len(fraud),
        "frauds": fraud.sum(),
    }
    return {name: round(float(value), 5) for name, value in figures.items()}


def _card(version: str, source: str, figures: dict[str, float]) -> str:
    lines = "\n".join(
        f"| {name.replace('_', ' ')} | {value:g} |" for name, value in figures.items()
    )
    return f"""# Payment model {version}

Boosted trees (XGBoost) over {len(NAMES)} features of a payment and of what its customer and terminal
did before, with an isotonic calibration from trees that had not seen the payments.

Trained on: {source}. Held out, the last two weeks with a week without labels before them:

| measure | value |
|---|---|
{lines}

**Use.** Ranks payments by the risk of fraud and says how likely it is. The shipped weights learned
from generated payments (`models/fraud/generator.py` describes the frauds): they show the service at
work and promise nothing about real cards. Train on your own payments with
`python -m models.fraud.train --payments FILE.csv`.

**Limits.** A fraud that leaves no trace in amounts, pace, places or devices is not seen. Labels count
after seven days. Personal traits are not used.
"""


if __name__ == "__main__":
    main()
