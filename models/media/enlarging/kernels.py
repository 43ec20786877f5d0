"""The compiled functions of this package, kept together: any of them changes all."""

from pathlib import Path
from typing import Final

from models.core.compiled import kernels_of
from models.core.compiled import piece as piece

SOURCES: Final = ("arrays", "strip")

kernel = kernels_of(Path(__file__).parent, SOURCES)
