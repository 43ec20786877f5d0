"""Whether what a request asks for is there, from what the models say of themselves."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.core.capability import ModelCard


@dataclass(frozen=True)
class Wish:
    """The model that a request asks for.

    Attributes:
        kind: `kind` of its card; empty where the name alone decides.
        model: Its name; empty where any of the kind will do.
    """

    kind: str = ""
    model: str = ""


def lacking(wish: Wish, cards: Sequence[ModelCard]) -> str | None:
    """Why nothing here grants a wish, and what to do about it.

    `None` where something does, and where no model of the kind says anything of itself.
    """
    of_kind = [card for card in cards if wish.kind in ("", card.kind)]
    named = [card for card in of_kind if wish.model in ("", card.name)]
    if not of_kind or any(card.available for card in named):
        return None
    usable = [card.name for card in of_kind if card.available]
    if named or not usable:
        card = (named or of_kind)[0]
        return f"{card.name!r} cannot be used here: {card.reason or 'it is not installed'}"
    if not wish.kind:
        return f"no model {wish.model!r} here"
    return f"{wish.kind} has no model {wish.model!r} here; there are {', '.join(usable)}"
