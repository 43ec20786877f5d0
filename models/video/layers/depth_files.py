"""Pictures with their depth as files: PNG of 16 bits, and OpenEXR in metres."""

import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.core.errors import InvalidInput, TooLarge
from models.video.nerf.arrays import Bytes, Floats

MAX_PIXELS: Final = 40_000_000
MAX_SAMPLES: Final = 120_000_000
"""Of all channels of an EXR, which are decoded together."""
EXR_MAGIC: Final = b"\x76\x2f\x31\x01"
COLOURS: Final = ("RGB", "RGBA")
ALONG_RAYS: Final = "depth.Z"
"""Channel of our own pictures, measured along each ray; others measure along the camera's axis."""
AXIAL: Final = ("Z", "Depth.Z", "ViewLayer.Depth.Z", "Y", "R", "V")
FULL: Final = 65535


@dataclass(frozen=True, eq=False)
class Metres:
    """Distances.

    Attributes:
        values: `(H, W)`; 0 where there is nothing.
        along_rays: Whether along each ray, else along the camera's axis.
    """

    values: Floats
    along_rays: bool

    def nearness(self, tangents: tuple[float, float]) -> Floats:
        """1 / distance along the axis of a camera that sees so much; 0 where there is nothing."""
        far = np.where(self.values > 0, self.values, np.inf)
        if self.along_rays:
            height, width = far.shape
            x = ((np.arange(width) + 0.5) / width * 2 - 1) * tangents[0]
            y = ((np.arange(height) + 0.5) / height * 2 - 1)[:, None] * tangents[1]
            far = far / np.sqrt(1 + x * x + y * y)
        return np.asarray(1 / far, np.float32)


def levels_of_png(content: bytes) -> Floats:
    """The values of a PNG of 16 bits, 0 to 1, `(H, W)`.

    Raises:
        InvalidInput: It is something else.
        TooLarge: It has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            _check(image.width, image.height)
            if image.mode not in ("I;16", "I;16B", "I"):
                raise InvalidInput(
                    f"the depth has the mode {image.mode}: expected one channel of 16 bits, since "
                    "with 8 bits surfaces become stairs"
                )
            return np.asarray(np.asarray(image, np.float32) / FULL, np.float32)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidInput("the depth is neither a PNG of 16 bits nor an OpenEXR file") from error


def read_exr(content: bytes) -> tuple[Floats | None, Metres | None]:
    """Linear light `(H, W, 3)` and distances of an EXR, what of them it has.

    Raises:
        InvalidInput: It is damaged.
        TooLarge: It has too many pixels.
    """
    import OpenEXR  # noqa: PLC0415  # only for such files

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.exr"
        path.write_bytes(content)
        try:
            with OpenEXR.File(str(path), header_only=True) as file:
                low, high = file.header()["dataWindow"]
                count = len(file.header()["channels"])
            width, height = (int(b) - int(a) + 1 for a, b in zip(low, high, strict=True))
            _check(width, height, count)
            with OpenEXR.File(str(path)) as file:
                channels = file.channels()  # emptied when the file is closed
                names = [name for name in (*COLOURS, ALONG_RAYS, *AXIAL) if name in channels]
                found = {name: np.array(channels[name].pixels, np.float32) for name in names}
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise InvalidInput("the .exr file is damaged") from error
    light = next((found[name][..., :3] for name in COLOURS if name in found), None)
    return light, _metres(found)


def _metres(channels: Mapping[str, NDArray[np.float32]]) -> Metres | None:
    names = [name for name in (ALONG_RAYS, *AXIAL) if name in channels]
    if not names:
        return None
    values = channels[names[0]]
    if values.ndim != 2:
        return None
    values = np.nan_to_num(values, nan=0, posinf=0, neginf=0)
    if not (values > 0).any():
        raise InvalidInput(f"the channel {names[0]} of the .exr file holds no distances")
    return Metres(np.maximum(values, 0), names[0] == ALONG_RAYS)


def shown(light: Floats) -> Bytes:
    """Linear light as the picture that people see, `(H, W, 3)` sRGB."""
    from models.image.render.grade import displayed  # noqa: PLC0415  # where light is
    from models.image.styles import Grade  # noqa: PLC0415

    values = displayed(np.maximum(light, 0), Grade(vignette=0, bloom=0), 1.0)
    return np.asarray(values * 255 + 0.5).astype(np.uint8)


def _check(width: int, height: int, channels: int = 1) -> None:
    if width < 2 or height < 2:
        raise InvalidInput("the picture has fewer than 2 x 2 pixels")
    if width * height > MAX_PIXELS or width * height * channels > MAX_SAMPLES:
        raise TooLarge(
            f"a picture may have {MAX_PIXELS // 1_000_000} megapixels, and an .exr file "
            f"{MAX_SAMPLES // 1_000_000} million samples in all of its channels"
        )
