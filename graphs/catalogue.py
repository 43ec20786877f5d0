"""Every operation of every capability: an entry here is all it takes to serve it."""

from typing import Final

from graphs.entries import crypto, fraud, image, video
from graphs.entry import Entry

CATALOGUE: Final[tuple[Entry, ...]] = (
    *image.ENTRIES,
    *fraud.ENTRIES,
    *video.ENTRIES,
    *crypto.ENTRIES,
)
