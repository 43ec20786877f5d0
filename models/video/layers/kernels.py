"""The compiled functions of layers, kept together: any of them changes all."""

from pathlib import Path
from typing import Final

from models.core.compiled import kernels_of
from models.core.compiled import piece as piece

SOURCES: Final = ("arrays", "draw", "edges", "peel", "project")

kernel = kernels_of(Path(__file__).parent, SOURCES)
