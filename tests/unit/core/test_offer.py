"""What the models say of themselves decides what can be asked for."""

import pytest

from models.core.capability import ModelCard
from models.core.offer import Wish, lacking

CARDS = (
    ModelCard(name="scene", version="1", kind="scene"),
    ModelCard(name="wan", version="1", kind="diffusion"),
    ModelCard(name="ltx", version="1", kind="diffusion", available=False, reason="no weights"),
    ModelCard(name="gen4", version="1", kind="runway", available=False, reason="no key"),
)


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        (Wish("diffusion"), None),
        (Wish("diffusion", "wan"), None),
        (Wish("diffusion", "ltx"), "'ltx' cannot be used here: no weights"),
        (Wish("diffusion", "svd"), "diffusion has no model 'svd' here; there are wan"),
        (Wish("runway"), "'gen4' cannot be used here: no key"),
        (Wish("runway", "gen3"), "'gen4' cannot be used here: no key"),
        (Wish(model="wan"), None),
        (Wish(model="svd"), "no model 'svd' here"),
        (Wish("pigeon"), None),
    ],
)
def test_a_wish_is_granted_or_told_what_is_missing(wish: Wish, reason: str | None) -> None:
    assert lacking(wish, CARDS) == reason


def test_nothing_is_refused_on_hearsay() -> None:
    assert lacking(Wish("diffusion"), ()) is None
