"""Fields for films: fitted once, kept, and looked at band by band."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from models.core.capability import Run
from models.core.durable import write_atomically
from models.media.size import Size
from models.video.backend import Lens
from models.video.camera import Camera
from models.video.flight import Moment

if TYPE_CHECKING:
    from models.video.nerf.baked import BakedField
    from models.video.nerf.settings import FitSettings
    from models.video.nerf.views import Views

BAND_PIXELS: Final = 1 << 19
FIELD, SCORE = "field.safetensors", "field.psnr"


def field_of(
    views: "Views", settings: "FitSettings", folder: Path, run: Run
) -> tuple["BakedField", float]:
    """The baked field of some views, and its PSNR in dB on those held out.

    Args:
        views: What it is fitted to.
        settings: How.
        folder: For these views and settings alone: keeps the field, and how far its fit got.
        run: Told of the fit.

    Raises:
        Cancelled: Nobody waits for it; the fit goes on from here the next time.
        InvalidInput: The views cannot be used.
    """
    from models.video.nerf.baked import BakedField, bake  # noqa: PLC0415  # compiles
    from models.video.nerf.fitting import fit  # noqa: PLC0415

    unfinished = folder / "fit.safetensors"
    fitted = fit(
        views,
        settings,
        run,
        unfinished.read_bytes() if unfinished.exists() else None,
        lambda content: write_atomically(unfinished, content),
    )
    baked, psnr_db = bake(fitted.field).to_bytes(), round(fitted.held_out_psnr_db, 4)
    write_atomically(folder / FIELD, baked)
    write_atomically(folder / SCORE, str(psnr_db).encode())
    unfinished.unlink(missing_ok=True)
    return BakedField.from_bytes(baked), psnr_db


def kept_field(folder: Path) -> tuple["BakedField", float] | None:
    """What `field_of` kept in a folder, if it has."""
    if not all((folder / name).exists() for name in (FIELD, SCORE)):
        return None
    from models.video.nerf.baked import BakedField  # noqa: PLC0415  # compiles

    return BakedField.from_bytes((folder / FIELD).read_bytes()), float((folder / SCORE).read_text())


def bands_of(size: Size) -> Iterator[range]:
    """Rows of a picture, some at a time: so many that threads have work, so few that all is flat."""
    rows = max(2, BAND_PIXELS // size.width // 16 * 16)
    for first in range(0, size.height, rows):
        yield range(first, min(first + rows, size.height))


def camera_of(moment: Moment, lens: Lens) -> Camera:
    """The field's camera at a moment."""
    pose = np.array(moment.pose, float)
    pose[:3, 3] += lens.aside_m * pose[:3, 0]
    stretch = lens.size.width / lens.size.height / lens.aspect
    return Camera(
        pose,
        moment.fov_deg,
        lens.size.width,
        lens.size.height,
        stretch=stretch,
        projection=lens.projection,
    )
