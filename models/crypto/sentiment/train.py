"""Make the classifier of texts: `python -m models.crypto.sentiment.train TEXTS.csv [--out FOLDER]`.

A file has a header and the columns text and label (positive or negative). Beside it stand our own
short lessons, headlines above all, so that what learned from posts reads news as well; they count
half. Accuracy is measured by repeated cross-validation on the texts of the file alone.
"""

import argparse
import csv
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from models.core.durable import write_atomically
from models.core.errors import InvalidInput
from models.core.minilm import MiniLM
from models.core.weights import save_json
from models.crypto.candles import FloatArray
from models.crypto.sentiment.classifier import FILE, WEIGHTS, Linear, features

LESSONS = Path(__file__).with_name("lessons.csv")
LESSON_WEIGHT = 0.5
STRENGTH = 0.01
LOUDNESS = 3.0
"""The word lists are three columns against 384: without it they are not heard."""
FOLDS, ROUNDS = 10, 5
VERSION = "1"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts, `(n, 387)` features and whether each is for, `(n,)`."""

    texts: list[str]
    rows: FloatArray
    positive: FloatArray


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, learn from everything, and write weights with their card."""
    parser = argparse.ArgumentParser(prog="python -m models.crypto.sentiment.train")
    parser.add_argument("texts", type=Path)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--source", default="texts of a file")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    encoder = MiniLM.load()
    own, lessons = read(options.texts, encoder), read(LESSONS, encoder)
    figures = cross_validated(own, lessons)
    write(fit(own, lessons), options.out, options.source, figures)
    logger.info("%s", json.dumps(figures))


def read(path: Path, encoder: MiniLM) -> Labelled:
    """Texts of a file with their features.

    Raises:
        InvalidInput: A label is neither positive nor negative, or there are too few.
    """
    with path.open(newline="") as file:
        lines = list(csv.DictReader(file))
    labels = {line["label"] for line in lines}
    if not labels == {"positive", "negative"} or len(lines) < 2 * FOLDS:
        raise InvalidInput(f"expected texts labelled positive and negative, got {sorted(labels)}")
    texts = [line["text"] for line in lines]
    positive = np.array([line["label"] == "positive" for line in lines], np.float64)
    return Labelled(texts, features(encoder, texts), positive)


def fit(own: Labelled, lessons: Labelled, chosen: FloatArray | None = None) -> Linear:
    """Learn from some of the texts, or all, and from the lessons."""
    take = np.arange(len(own.texts)) if chosen is None else chosen.astype(int)
    rows = np.concatenate([own.rows[take], lessons.rows])
    positive = np.concatenate([own.positive[take], lessons.positive])
    weight = np.concatenate([np.ones(len(take)), np.full(len(lessons.texts), LESSON_WEIGHT)])
    mean = rows[: len(take)].mean(0)
    scale = np.maximum(rows[: len(take)].std(0), 1e-3)
    scale[-3:] /= LOUDNESS
    model = LogisticRegression(C=STRENGTH, max_iter=2000)
    model.fit((rows - mean) / scale, positive, sample_weight=weight)
    return Linear(mean, scale, np.asarray(model.coef_[0]), float(model.intercept_[0]))


def held_out(own: Labelled, lessons: Labelled, seed: int) -> FloatArray:
    """Chance of each text by a model that did not learn from it, `(n,)`."""
    chances = np.zeros(len(own.texts))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(own.rows, own.positive):
        chances[test] = fit(own, lessons, train).probability(own.rows[test])
    return chances


def cross_validated(own: Labelled, lessons: Labelled) -> dict[str, float]:
    """Accuracy with the standard error of so few texts, and its spread over divisions."""
    rounds = [held_out(own, lessons, seed) for seed in range(ROUNDS)]
    right = np.array([(chances > 0.5) == own.positive for chances in rounds])
    accuracy = float(right.mean())
    return {
        "accuracy": round(accuracy, 4),
        "standard_error": round(float(np.sqrt(accuracy * (1 - accuracy) / len(own.texts))), 4),
        "spread_over_divisions": round(float(right.mean(1).std()), 4),
        "texts": len(own.texts),
    }


def write(linear: Linear, out: Path, source: str, figures: dict[str, float]) -> None:
    """Write weights, manifest and card."""
    value = {
        "version": VERSION,
        "mean": np.round(linear.mean, 6).tolist(),
        "scale": np.round(linear.scale, 6).tolist(),
        "weights": np.round(linear.weights, 6).tolist(),
        "bias": linear.bias,
    }
    save_json(out, FILE, value, version=VERSION, source=source, **figures)
    lines = [f"| {name.replace('_', ' ')} | {value} |" for name, value in figures.items()]
    table = "\n".join(lines)
    write_atomically(out / "MODEL_CARD.md", CARD.format(VERSION, source, table).encode())


CARD = """# Sentiment of texts about coins {}

Logistic regression on the mean state of all-MiniLM-L6-v2 (384 numbers, frozen) and three features
of VADER with words of this market added.

Learned from: {}, and 80 short texts of our own at half weight. Cross-validated ten-fold, five times:

| measure | value |
|---|---|
{}

**Use.** Whether a post or a headline in English is for or against what it is about. The score is
twice the chance minus one.

**Limits.** Learned from a few hundred posts of one year. Irony, other languages, and texts that
praise one coin by damning another are read wrongly. It says nothing about prices.
"""


if __name__ == "__main__":
    main()
