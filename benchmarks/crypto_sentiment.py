"""Accuracy on labelled posts about coins, beside word lists and bags of words.

Ten-fold cross-validation, five divisions; every model that learns is fitted on the other folds
alone. Run: `python -m benchmarks.crypto_sentiment TEXTS.csv [--model NAME_OR_FOLDER]`. The file has
the columns text and label (positive or negative).
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline, make_union
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from benchmarks.machine import report
from models.core.minilm import MiniLM
from models.crypto.sentiment.classifier import TransformersClassifier, WordLists
from models.crypto.sentiment.train import FOLDS, LESSONS, ROUNDS, held_out, read

Scores = npt.NDArray[np.float64]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--model", help="a text classifier for transformers, to compare with")
    options = parser.parse_args()
    if not options.texts.exists():
        print(f"{options.texts} is absent: nothing measured", file=sys.stderr)
        return
    started = time.monotonic()
    encoder = MiniLM.load()
    own, lessons = read(options.texts, encoder), read(LESSONS, encoder)
    analyzer = SentimentIntensityAnalyzer()
    plain = np.array([analyzer.polarity_scores(text)["compound"] for text in own.texts])
    learned: dict[str, Callable[[int], Scores]] = {
        "": lambda seed: held_out(own, lessons, seed) - 0.5,
        "vader_": lambda _: plain,
        "vader_with_our_words_": lambda _: np.array(WordLists().score(own.texts)),
        "bag_of_words_": lambda seed: _bag_of_words(own.texts, own.positive, seed) - 0.5,
    }
    if options.model:
        scores = np.array(TransformersClassifier(options.model).score(own.texts))
        learned["transformers_"] = lambda _: scores
    figures: dict[str, object] = {"n": len(own.texts)}
    for name, predict in learned.items():
        rounds = [predict(seed) for seed in range(ROUNDS)]
        right = [float(((scores >= 0) == own.positive).mean()) for scores in rounds]
        accuracy = float(np.mean(right))
        figures[f"{name}accuracy"] = round(accuracy, 4)
        error = np.sqrt(accuracy * (1 - accuracy) / len(own.texts))
        figures[f"{name}standard_error"] = round(float(error), 4)
        area = np.mean([roc_auc_score(own.positive, scores) for scores in rounds])
        figures[f"{name}roc_auc"] = round(float(area), 4)
        print(name or "ours", figures[f"{name}accuracy"], file=sys.stderr)
    report({**figures, "seconds": round(time.monotonic() - started, 1)})


def _bag_of_words(texts: list[str], positive: Scores, seed: int) -> Scores:
    chances = np.zeros(len(texts))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(np.zeros((len(texts), 1)), positive):
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2)
        model = make_pipeline(make_union(words, letters), LogisticRegression(C=3, max_iter=1000))
        model.fit([texts[place] for place in train], positive[train])
        chances[test] = model.predict_proba([texts[place] for place in test])[:, 1]
    return chances


if __name__ == "__main__":
    main()
