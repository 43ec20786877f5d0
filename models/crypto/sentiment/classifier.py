"""Whether a text is for or against: a small linear model on sentence states and word lists.

Features are the mean state of all-MiniLM-L6-v2 and what VADER says with our words of this market
added. The weights were learned from labelled posts; see the model card beside them.
"""

import csv
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.core.assembly import assembling
from models.core.errors import ModelUnavailable
from models.core.minilm import MiniLM
from models.core.weights import load_json
from models.crypto.candles import FloatArray

WEIGHTS = Path(__file__).with_name("weights")
FILE = "classifier.json"
LEXICON = Path(__file__).with_name("lexicon.csv")
WORD_FEATURES = ("compound", "pos", "neg")
BATCH = 16


class Classifier(Protocol):
    """Reads texts."""

    @property
    def name(self) -> str:
        """As shown."""
        ...

    def score(self, texts: Sequence[str]) -> list[float]:
        """-1 (against) to 1 (for) per text."""
        ...


@cache
def _analyzer() -> Any:  # noqa: ANN401  # the library has no types
    from vaderSentiment.vaderSentiment import (  # noqa: PLC0415  # reads its lists
        SentimentIntensityAnalyzer,
    )

    analyzer = SentimentIntensityAnalyzer()
    with LEXICON.open(newline="") as file:
        analyzer.lexicon |= {line["word"]: float(line["valence"]) for line in csv.DictReader(file)}
    return analyzer


def word_features(texts: Sequence[str]) -> FloatArray:
    """`(n, 3)`: compound, positive and negative share by word lists.

    Source: Hutto & Gilbert 2014, "VADER", ICWSM; the added words are ours.
    """
    found = [_analyzer().polarity_scores(text) for text in texts]
    rows = [[each[name] for name in WORD_FEATURES] for each in found]
    return np.array(rows, np.float64).reshape(-1, len(WORD_FEATURES))


class WordLists:
    """VADER with our words; needs no weights."""

    name = "word lists"

    def score(self, texts: Sequence[str]) -> list[float]:
        """-1 to 1 per text."""
        return [float(value) for value in word_features(texts)[:, 0]]


@dataclass(frozen=True, eq=False)
class Linear:
    """What was learned: `sigmoid(((x - mean) / scale) @ weights + bias)`."""

    mean: FloatArray
    scale: FloatArray
    weights: FloatArray
    bias: float

    def probability(self, features: FloatArray) -> FloatArray:
        """`(n,)` from `(n, 387)`."""
        logits = ((features - self.mean) / self.scale) @ self.weights + self.bias
        return np.asarray(1 / (1 + np.exp(-logits)))


class SentenceClassifier:
    """The embedded classifier.

    Args:
        encoder: Makes the states.
        linear: Weighs them.
        version: Of the weights.
        sha256: Of the weights.
    """

    def __init__(self, encoder: MiniLM, linear: Linear, version: str, sha256: str) -> None:
        self.name = f"sentences {version}"
        self.sha256 = sha256
        self._encoder, self._linear = encoder, linear

    @classmethod
    def load(cls, folder: Path = WEIGHTS) -> "SentenceClassifier":
        """Read encoder and weights.

        Raises:
            ModelUnavailable: One of them is missing.
        """
        content, sha256 = load_json(folder, FILE)
        try:
            mean, scale, weights = (np.array(content[k]) for k in ("mean", "scale", "weights"))
            linear = Linear(mean, scale, weights, float(content["bias"]))
            version = str(content["version"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelUnavailable(f"{FILE} is not a classifier ({error!r})") from error
        return cls(MiniLM.load(), linear, version, sha256)

    def score(self, texts: Sequence[str]) -> list[float]:
        """-1 to 1 per text."""
        found: list[float] = []
        for start in range(0, len(texts), BATCH):
            part = list(texts[start : start + BATCH])
            chances = self._linear.probability(features(self._encoder, part))
            found += [round(float(2 * chance - 1), 4) for chance in chances]
        return found


def features(encoder: MiniLM, texts: Sequence[str]) -> FloatArray:
    """`(n, 387)`: sentence states and word lists."""
    states = encoder.embed(list(texts)).numpy().astype(np.float64)
    return np.concatenate([states, word_features(texts)], axis=1)


class TransformersClassifier:
    """A text classifier of the hub's format, read with transformers from safetensors alone.

    Args:
        name: A folder, or a name on the hub.

    Raises:
        ModelUnavailable: It cannot be loaded, or its labels are not for and against.
    """

    FOR = frozenset({"positive", "bullish", "pos", "label_2"})
    AGAINST = frozenset({"negative", "bearish", "neg", "label_0"})

    def __init__(self, name: str) -> None:
        try:
            transformers = importlib.import_module("transformers")
            tokenizer = transformers.AutoTokenizer.from_pretrained(name)
            with assembling():
                model = transformers.AutoModelForSequenceClassification.from_pretrained(
                    name, use_safetensors=True
                )
        except (ImportError, OSError, ValueError) as error:
            raise ModelUnavailable(
                f"the sentiment model {name!r} cannot be loaded ({type(error).__name__}): give a "
                "folder with safetensors, or install transformers"
            ) from error
        labels = {int(key): str(text).lower() for key, text in model.config.id2label.items()}
        self._for = [key for key, text in labels.items() if text in self.FOR]
        self._against = [key for key, text in labels.items() if text in self.AGAINST]
        if not self._for or not self._against:
            raise ModelUnavailable(f"{name!r} labels {sorted(labels.values())}: not for or against")
        self.name = f"transformers:{Path(name).name}"
        self._tokenizer, self._model = tokenizer, model.eval()

    def score(self, texts: Sequence[str]) -> list[float]:
        """-1 to 1 per text: chance of for minus chance of against."""
        import torch  # noqa: PLC0415

        found: list[float] = []
        for start in range(0, len(texts), BATCH):
            part = list(texts[start : start + BATCH])
            inputs = self._tokenizer(
                part, padding=True, truncation=True, max_length=256, return_tensors="pt"
            )
            with torch.inference_mode():
                chances = self._model(**inputs).logits.softmax(-1)
            tone = chances[:, self._for].sum(1) - chances[:, self._against].sum(1)
            found += [round(float(value), 4) for value in tone]
        return found
