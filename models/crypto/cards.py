"""Which models there are, and why some are not."""

import json
from pathlib import Path

from models.core.capability import ModelCard
from models.core.weights import MANIFEST
from models.crypto.options import CryptoOptions

FITTED = ("har", "garch")
"""Fitted to a coin's own past when it is asked for; no file is needed."""


def model_cards(options: CryptoOptions) -> tuple[ModelCard, ...]:
    """The models of forecasts."""
    cards = [
        ModelCard(name=name, version="1", reason="fitted to each coin's own candles")
        for name in FITTED
    ]
    files = _manifest(options.weights)
    for name, facts in sorted(files.items()):
        cards.append(
            ModelCard(
                name=Path(name).stem,
                version=str(facts.get("version", "1")),
                weights_sha256=facts.get("sha256"),
            )
        )
    if not files:
        reason = f"no weights in {options.weights}: run `python -m models.crypto.train`"
        cards.append(ModelCard(name="learned", version="none", available=False, reason=reason))
    return tuple(cards)


def _manifest(folder: Path) -> dict[str, dict[str, str]]:
    try:
        found: dict[str, dict[str, str]] = json.loads((folder / MANIFEST).read_bytes())["files"]
    except (OSError, ValueError, KeyError):
        return {}
    return found
