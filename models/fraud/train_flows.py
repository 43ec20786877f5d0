"""Make the network model: on generated flows, or on a user's file in the columns of NSL-KDD."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from models.core.durable import write_atomically
from models.core.errors import InvalidInput
from models.core.weights import save_json
from models.fraud.calibration import Calibration, expected_calibration_error, fit_isotonic
from models.fraud.flow_attacks import FAMILY_OF
from models.fraud.flow_export import check_agreement, exported
from models.fraud.flow_generator import generate_flows
from models.fraud.flow_maker import Network
from models.fraud.flow_rows import COLUMNS, row_of_flow, row_of_nsl_kdd, stacked
from models.fraud.flow_schema import NslKdd
from models.fraud.flow_scoring import FILE, FlowModel
from models.fraud.flow_windows import FlowWindows
from models.fraud.network import NetworkModel, Size

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]

VERSION = "1"
NORMAL = "normal"
SIZE = Size(trees=100, forest=48, samples=256, references=700)
BUDGET = 0.01
HELD = 0.3
NSL_COLUMNS = (*NslKdd.model_fields,)


def generated(network: Network, seed: int) -> tuple[Floats, Names]:
    """Rows of a generated day, windows computed as in service, and attacks or `normal`."""
    windows, rows, attacks = FlowWindows(), [], []
    for flow, content, attack in generate_flows(network, seed):
        rows.append(row_of_flow(flow, windows.add(flow), content))
        attacks.append(attack or NORMAL)
    return stacked(rows), np.array(attacks)


def read_flows(path: Path) -> tuple[Floats, Names]:
    """Read a CSV file: with a header of NSL-KDD's names and `label`, or as NSL-KDD's own text.

    NSL-KDD's text has no header, 41 columns, the label, and a difficulty that is not used.

    Raises:
        InvalidInput: A row is not as described.
    """
    rows, labels = [], []
    with path.open(newline="", encoding="utf-8") as file:
        first = file.readline()
        file.seek(0)
        names = None if "label" in first else [*KDD_ORDER, "label", "difficulty"]
        for number, row in enumerate(csv.DictReader(file, names), 2 if names is None else 1):
            try:
                label = str(row.pop("label"))
                row.pop("difficulty", None)
                rows.append(row_of_nsl_kdd(NslKdd.model_validate(row)))
            except (ValidationError, KeyError) as error:
                raise InvalidInput(f"{path.name}, line {number}: {error}") from error
            labels.append(label)
    return stacked(rows), np.array(labels)


KDD_ORDER = (
    "duration",
    "protocol_type",
    "service",
    "flag",
    *[name for name in NSL_COLUMNS if name not in ("duration", "protocol_type", "service", "flag")],
)
"""The order of columns in NSL-KDD's text files."""


def train_flows(
    rows: Floats,
    names: Names,
    out: Path,
    *,
    source: str,
    seed: int,
    budget: float = BUDGET,
    tested: tuple[Floats, Names] | None = None,
    own_traffic: bool = False,
) -> dict[str, float]:
    """Fit, measure, check and write.

    Args:
        rows: `(N, WIDTH)`.
        names: `(N,)`, of the attack, or `normal`.
        out: Folder of the weights.
        source: Said in card and manifest.
        seed: Of everything random.
        budget: Share of normal flows that may raise an alarm.
        tested: Flows of another time; a share of the rows is held out if absent.
        own_traffic: They come from the network that will be watched.

    Returns:
        Figures on flows that were not learned from.

    Raises:
        InvalidInput: There are too few flows or attacks.
    """
    attack = names != NORMAL
    if attack.sum() < 50 or (~attack).sum() < 500:
        raise InvalidInput("too few flows to learn from: expected 50 attacks and 500 normal flows")
    if tested is None:
        held = np.random.default_rng(seed).random(len(rows)) < HELD
        tested = rows[held], names[held]
        rows, attack = rows[~held], attack[~held]
    model = NetworkModel(
        rows, attack, len(COLUMNS), budget=budget, seed=seed, size=SIZE, keep_attacks=True
    )
    calibration = _calibrated(model)
    content = {"version": VERSION, **exported(model, calibration, budget, own_traffic=own_traffic)}
    save_json(out, FILE, content, source=source)
    served = FlowModel.load(out)
    check_agreement(served, model, tested[0][:2_000])
    figures = measured(served, *tested)
    write_atomically(out / "FLOWS_CARD.md", _card(source, figures, budget).encode())
    return figures


def measured(model: FlowModel, rows: Floats, names: Names) -> dict[str, float]:
    """Figures of a served model on flows."""
    from sklearn.metrics import average_precision_score, roc_auc_score  # noqa: PLC0415  # slow

    attack = names != NORMAL
    scores = model.scores(rows)
    joined = np.array([each.score for each in scores])
    alarm = np.array([each.alarm for each in scores])
    probabilities = np.array([each.probability for each in scores])
    figures = {
        "average_precision": average_precision_score(attack, joined),
        "roc_auc": roc_auc_score(attack, joined),
        "recall": alarm[attack].mean(),
        "false_alarms": alarm[~attack].mean(),
        "expected_calibration_error": expected_calibration_error(probabilities, attack),
        "flows": len(rows),
        "attacks": attack.sum(),
    }
    families = np.array([FAMILY_OF.get(name, "other") for name in names])
    for family in sorted(set(families[attack].tolist()) - {"other"}):
        figures[f"{family}_recall"] = alarm[families == family].mean()
    return {name: round(float(value), 4) for name, value in figures.items()}


def generated_days(network: Network, seeds: Sequence[int]) -> tuple[Floats, Names]:
    """Rows of several days, each of which begins without a past."""
    days = [generated(network, seed) for seed in seeds]
    return np.concatenate([rows for rows, _ in days]), np.concatenate([names for _, names in days])


def _calibrated(model: NetworkModel) -> Calibration:
    scores = np.concatenate([model.unseen, model.unseen_attacks])
    attack = np.arange(len(scores)) >= len(model.unseen)
    return fit_isotonic(model.join(scores), attack)


def _card(source: str, figures: dict[str, float], budget: float) -> str:
    lines = "\n".join(f"| {name.replace('_', ' ')} | {v:g} |" for name, v in figures.items())
    return f"""# Network model {VERSION}

Boosted trees (XGBoost), an isolation forest, the residual of principal components and the nearest
normal flow, joined by Fisher's weighted sum; thresholds from flows that the detectors had not seen,
at a budget of {budget:g} false alarms that also holds in three of four other mixes of their kinds.

Trained on: {source}. On flows that were not learned from:

| measure | value |
|---|---|
{lines}

**Use.** Flows as NSL-KDD, Zeek or Suricata write them. The shipped weights learned from generated
flows (`models/fraud/flow_generator.py` describes them): they show the service at work and promise
nothing about a real network. Tell it what is ordinary on yours (`POST /api/v1/fraud/baseline`), or train
on your own with `python -m models.fraud.train --flows FILE.csv`.

**Limits.** The probability holds at the share of attacks in training. Logs without payloads tell
nothing of logins and commands. Windows begin empty on a new network.
"""
