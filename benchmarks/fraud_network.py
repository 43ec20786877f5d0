"""Attacks of a family that training never saw, on NSL-KDD flows at a budget of false alarms.

One family at a time is left out of training, with 30 % of the other flows. The threshold is fixed
before, from normal flows of the training part alone. With `--test` a second file is scored by a
model of the whole first one; without it a `KDDTest*` file of the folder is taken, if there is one.
`shifted` is a stand-in for such a second file, from the first alone and over three draws: ordinary
flows mixed otherwise, by service, two in five types of attack never seen, and as many attacks as there
are in NSL-KDD's test file, 57 %.
The weights that ship, which learned from generated flows, are judged beside: as they are (`shipped`),
and with 2,000 ordinary flows told to them, which are then left out (`shipped_told`).

Run: `python -m benchmarks.fraud_network FOLDER [--test FILE] [--budget 0.05]`.
Files are parquet, or NSL-KDD's own text (`.txt`, `.csv`).
"""

import argparse
import csv
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from benchmarks.machine import report
from models.fraud.flow_rows import row_of_nsl_kdd, stacked
from models.fraud.flow_schema import NslKdd
from models.fraud.flow_scoring import FlowModel
from models.fraud.network import FlowEncoder, NetworkModel
from models.fraud.surprise import DETECTORS
from models.fraud.train_flows import KDD_ORDER

BASELINE = 2_000
"""Ordinary flows that are told to the shipped model, as to `/api/v1/fraud/baseline`."""
SHIFTS = 3
SPREAD = 1.5
"""Standard deviation of the logarithm of how much oftener a service is in the second file."""
ATTACK_SHARE = 0.57
CATEGORIES = ("protocol_type", "service", "flag")
FAMILIES = {
    "dos": "apache2 back land mailbomb neptune pod processtable smurf teardrop udpstorm worm",
    "probe": "ipsweep mscan nmap portsweep saint satan",
    "r2l": "ftp_write guess_passwd httptunnel imap multihop named phf sendmail snmpgetattack "
    "snmpguess spy warezclient warezmaster xlock xsnoop",
    "u2r": "buffer_overflow loadmodule perl ps rootkit sqlattack xterm",
}
FAMILY_OF = {attack: family for family, names in FAMILIES.items() for attack in names.split()}
Columns = dict[str, npt.NDArray[np.generic]]
Figures = dict[str, float]


def main() -> None:
    """Print recalls of unseen families and realised false alarms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="holds KDDTrain*.parquet")
    parser.add_argument("--test", type=Path, help="a second file, of the same columns")
    parser.add_argument("--budget", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()
    columns, family, label = _load(next(iter(sorted(options.folder.glob("KDDTrain*.parquet")))))
    figures_shipped = _shipped(columns, family != "normal", options.budget)
    encode = FlowEncoder.fit(columns, CATEGORIES)
    rows, numbers = encode(columns), len(encode.numbers)
    held = np.random.default_rng(options.seed).random(len(rows)) < 0.3
    figures: Figures = {"n": float(len(rows))}
    for unseen in FAMILIES:
        fit = ~held & (family != unseen)
        attack = family[fit] != "normal"
        model = NetworkModel(rows[fit], attack, numbers, budget=options.budget, seed=options.seed)
        found = _unseen(model, rows, family, held, unseen)
        print(unseen, found, file=sys.stderr)
        figures |= {f"{unseen}_{name}": value for name, value in found.items()}
    for name in ("recall", "fpr", *(f"{detector}_recall" for detector in DETECTORS)):
        figures[f"mean_{name}"] = float(np.mean([figures[f"{each}_{name}"] for each in FAMILIES]))
    figures["unseen_family_recall"] = figures["mean_recall"]
    figures["realised_fpr"] = max(figures[f"{each}_fpr"] for each in FAMILIES)
    service = columns["service"].astype(str)
    drawn = [_shifted(rows, label, service, numbers, options.budget, n) for n in range(SHIFTS)]
    print("shifted", drawn, file=sys.stderr)
    figures |= {f"shifted_{key}": float(np.mean([d[key] for d in drawn])) for key in drawn[0]}
    figures |= figures_shipped
    test = options.test or next(iter(sorted(options.folder.glob("KDDTest*"))), None)
    if test:
        model = NetworkModel(
            rows, family != "normal", numbers, budget=options.budget, seed=options.seed
        )
        tested, families, _ = _load(test)
        figures |= _second_file(model, encode(tested), families != "normal")
    rounded = {name: round(value, 4) for name, value in figures.items()}
    report({**rounded, "seconds": round(time.monotonic() - started, 1)})


def _shipped(columns: Columns, attack: npt.NDArray[np.bool_], budget: float) -> Figures:
    """The served model on flows of another world, as it is and with ordinary ones told to it."""
    given = zip(*(values.tolist() for values in columns.values()), strict=True)
    rows = [
        row_of_nsl_kdd(NslKdd.model_validate(dict(zip(columns, each, strict=True))))
        for each in given
    ]
    model, encoded = FlowModel.load(), stacked(rows)
    told = np.random.default_rng(0).permutation(np.flatnonzero(~attack))[:BASELINE]
    asked = np.ones(len(rows), bool)
    asked[told] = False
    figures: Figures = {}
    for name, site in (
        ("shipped", model.trained),
        ("shipped_told", model.site(encoded[told], budget, lambda: None)),
    ):
        found = model.scores(encoded, site)
        score, alarm = (
            np.array([getattr(each, key) for each in found]) for key in ("score", "alarm")
        )
        figures |= {
            f"{name}_roc_auc": float(roc_auc_score(attack[asked], score[asked])),
            f"{name}_recall": float(alarm[attack].mean()),
            f"{name}_fpr": float(alarm[asked & ~attack].mean()),
        }
    return figures


def _shifted(
    rows: npt.NDArray[np.float64],
    label: npt.NDArray[np.str_],
    service: npt.NDArray[np.str_],
    numbers: int,
    budget: float,
    seed: int,
) -> Figures:
    """Fitted on one part of a file and judged on another one, mixed otherwise."""
    random, attack = np.random.default_rng(seed), label != "normal"
    types, services = np.unique(label[attack]), np.unique(service)
    unseen = np.isin(label, random.choice(types, 2 * len(types) // 5, replace=False))
    weights = np.clip(0.3 * np.exp(random.normal(0, SPREAD, len(services))), 0.02, 0.95)
    share = np.where(attack, 0.3, weights[np.searchsorted(services, service)])
    tested = (random.random(len(rows)) < share) | unseen
    fit = ~tested
    model = NetworkModel(rows[fit], attack[fit], numbers, budget=budget, seed=seed)
    alarm = model.alarms(rows[tested])
    recall, fpr = (float(alarm[attack[tested] == each].mean()) for each in (True, False))
    right = ATTACK_SHARE * recall
    return {
        "recall": recall,
        "unseen_recall": float(alarm[unseen[tested]].mean()),
        "fpr": fpr,
        "f1": 2 * right / (right + ATTACK_SHARE + (1 - ATTACK_SHARE) * fpr),
    }


def _load(path: Path) -> tuple[Columns, npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """Columns, families and names of the attacks, `normal` in both for the others."""
    if path.suffix in (".txt", ".csv"):
        return _load_text(path)
    table = pyarrow.parquet.read_table(path)
    labels = np.array(table.column("label").to_pylist())
    names = [name for name in table.column_names if name not in ("label", "difficulty")]
    columns = {name: table.column(name).to_numpy() for name in names}
    return columns, _families(labels), labels


def _families(labels: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    return np.array([FAMILY_OF.get(label, label) for label in labels.tolist()])


def _load_text(path: Path) -> tuple[Columns, npt.NDArray[np.str_], npt.NDArray[np.str_]]:
    """NSL-KDD's text: 41 columns without a header, the label, and if told a difficulty, not used."""
    with path.open(newline="") as file:
        cells = list(zip(*filter(None, csv.reader(file)), strict=True))
    columns: Columns = {
        name: np.array(values) if name in CATEGORIES else np.array(values, float)
        for name, values in zip(KDD_ORDER, cells, strict=False)
    }
    labels = np.array(cells[len(KDD_ORDER)])
    return columns, _families(labels), labels


def _unseen(
    model: NetworkModel,
    rows: npt.NDArray[np.float64],
    family: npt.NDArray[np.str_],
    held: npt.NDArray[np.bool_],
    unseen: str,
) -> Figures:
    known = held & (family != "normal") & (family != unseen)
    new = model.scores(rows[family == unseen])
    found = {
        "recall": float((model.join(new) > model.limit).mean()),
        "fpr": float(model.alarms(rows[held & (family == "normal")]).mean()),
        "known_recall": float(model.alarms(rows[known]).mean()),
    }
    alone = (new > model.limits).mean(0)
    return found | {f"{name}_recall": float(alone[k]) for k, name in enumerate(DETECTORS)}


def _second_file(
    model: NetworkModel, rows: npt.NDArray[np.float64], attack: npt.NDArray[np.bool_]
) -> Figures:
    scores = model.join(model.scores(rows))
    alarms = scores > model.limit
    return {
        "accuracy": float(accuracy_score(attack, alarms)),
        "f1": float(f1_score(attack, alarms)),
        "recall": float(recall_score(attack, alarms)),
        "fpr": float(alarms[~attack].mean()),
        "roc_auc": float(roc_auc_score(attack, scores)),
    }


if __name__ == "__main__":
    main()
