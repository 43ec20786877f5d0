"""Pictures on their way to the provider and back."""

import io

from PIL import Image, ImageOps

from models.core.artifacts import ArtifactStore
from models.core.capability import Run
from models.core.errors import UpstreamUnavailable
from models.image.openai.asking import Asking
from models.image.openai.provider import Drawn, Original, Provider
from models.image.schema import ImageRequest
from models.image.sources import open_picture, read_mask, read_source

MEDIA_TYPE = "image/png"
PREVIEW_SIDE_PX, PREVIEW_QUALITY = 256, 70
MAX_DRAWN_PIXELS = 4096 * 4096


def asked(
    request: ImageRequest, model: str, run: Run, store: ArtifactStore
) -> tuple[Asking, Original | None]:
    """What to ask for, and where to start if that is a picture.

    Raises:
        InvalidInput: The picture to start from cannot be read.
        UnknownAsset: The caller has no such asset.
    """
    size = (request.width_px, request.height_px)
    previews = request.preview_every > 0
    asking = Asking(model, request.prompt, size, request.quality, previews)
    if request.image is None:
        return asking, None
    image = read_source(request.image, run.owner, store)
    fitted = ImageOps.fit(image, asking.provider_size_px)
    if request.mask is None:
        return asking, Original(_png(fitted))
    mask = read_mask(request.mask, run.owner, store)
    # Ours is white where it is painted anew, the provider's transparent.
    opaque = ImageOps.invert(ImageOps.fit(mask, asking.provider_size_px))
    hole = fitted.convert("RGBA")
    hole.putalpha(opaque)
    return asking, Original(_png(fitted), _png(hole))


def ask(provider: Provider, asking: Asking, original: Original | None, run: Run) -> Drawn:
    """Ask, showing unfinished pictures as they come."""
    if original is not None:
        return provider.edit(asking, original)

    def preview(content: bytes) -> None:
        small = _opened(content)
        small.thumbnail((PREVIEW_SIDE_PX, PREVIEW_SIDE_PX))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=PREVIEW_QUALITY)
        run.preview(buffer.getvalue(), "image/jpeg")

    return provider.generate(asking, preview)


def finished(drawn: Drawn, request: ImageRequest) -> Image.Image:
    """The provider's picture in the size that was asked for."""
    image = _opened(drawn.content)
    size = (request.width_px, request.height_px)
    return image if image.size == size else ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def _opened(content: bytes) -> Image.Image:
    image = open_picture(content, MAX_DRAWN_PIXELS)
    if image is None:
        raise UpstreamUnavailable("the provider sent something else than a picture")
    return image


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
