"""Pictures with their lenses: read, undistorted and made small enough to learn from."""

import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.core.errors import InvalidInput, TooLarge

MAX_PIXELS = 50_000_000
MAX_SIDE_PX = 400
FORMATS = ("PNG", "JPEG", "WEBP")
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Lens:
    """A lens in pixels of a picture, with the distortion of OpenCV's model.

    Attributes:
        width: Of the picture; so is `height`.
        height: See `width`.
        focal_x: Focal lengths; so is `focal_y`.
        focal_y: See `focal_x`.
        centre_x: Principal point from the upper left corner; so is `centre_y`.
        centre_y: See `centre_x`.
        radial: k1, k2.
        tangential: p1, p2.
    """

    width: float
    height: float
    focal_x: float
    focal_y: float
    centre_x: float
    centre_y: float
    radial: tuple[float, float] = (0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        sizes = (self.width, self.height, self.focal_x, self.focal_y)
        bends = (self.centre_x, self.centre_y, *self.radial, *self.tangential)
        if not all(np.isfinite((*sizes, *bends))) or min(sizes) <= 0:
            raise InvalidInput("a camera's size and focal lengths must be positive numbers")

    @property
    def bends(self) -> bool:
        """Whether straight lines come out curved."""
        return any((*self.radial, *self.tangential))

    def scaled(self, width: int, height: int) -> "Lens":
        """The same lens for the picture at another size."""
        x, y = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            focal_x=self.focal_x * x,
            focal_y=self.focal_y * y,
            centre_x=self.centre_x * x,
            centre_y=self.centre_y * y,
        )


def read_picture(content: bytes, name: str) -> Image.Image:
    """A picture as RGBA, not decoded before its size is known to be fair.

    Raises:
        InvalidInput: It is no picture, or of another format.
        TooLarge: It has too many pixels.
    """
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
        if picture.width * picture.height > MAX_PIXELS:
            raise TooLarge(f"{name!r} has more than {MAX_PIXELS // 1_000_000} megapixels")
        return picture.convert("RGBA")
    except Image.DecompressionBombError as error:
        raise TooLarge(f"{name!r} has far too many pixels") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidInput(f"{name!r} cannot be read as {', '.join(FORMATS)}: {error}") from error


def size_within(width: int, height: int, longest: int = MAX_SIDE_PX) -> tuple[int, int]:
    """Size of a picture whose longer side shrinks to `longest`."""
    share = min(1.0, longest / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def prepared(picture: Image.Image, lens: Lens, size: tuple[int, int]) -> tuple[Bytes, Lens]:
    """A picture `(h, w, 4)` of a given size, straightened, and its lens, which no longer bends."""
    lens = lens.scaled(*size)
    if picture.size != size:
        # Colours are averaged by how much they cover.
        picture = picture.convert("RGBa").resize(size, Image.Resampling.BOX).convert("RGBA")
    pixels = np.asarray(picture, np.uint8)
    if not lens.bends:
        return pixels, lens
    return _straightened(pixels, lens), replace(lens, radial=(0.0, 0.0), tangential=(0.0, 0.0))


def _straightened(pixels: Bytes, lens: Lens) -> Bytes:
    """What a pinhole would have seen; the border is repeated where the lens saw nothing.

    Source: the camera model of OpenCV's documentation of `calib3d`, with k1, k2, p1, p2.
    """
    height, width = pixels.shape[:2]
    x = (np.arange(width) + 0.5 - lens.centre_x)[None] / lens.focal_x
    y = (np.arange(height) + 0.5 - lens.centre_y)[:, None] / lens.focal_y
    (k1, k2), (p1, p2) = lens.radial, lens.tangential
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * k2)
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    bent_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    column = np.clip(bent_x * lens.focal_x + lens.centre_x - 0.5, 0, width - 1)
    row = np.clip(bent_y * lens.focal_y + lens.centre_y - 0.5, 0, height - 1)
    left, top = column.astype(int), row.astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    u, v = (column - left)[..., None], (row - top)[..., None]
    upper = pixels[top, left] * (1 - u) + pixels[top, right] * u
    lower = pixels[bottom, left] * (1 - u) + pixels[bottom, right] * u
    return np.asarray(np.round(upper * (1 - v) + lower * v), np.uint8)
