"""What a result says of frames that are larger than what was computed."""

from models.media.formats import UpscalerName
from models.media.size import Size, doublings
from models.video.schema import Enlargement


def enlargement(native: Size, size: Size, upscaler: UpscalerName) -> Enlargement | None:
    """How frames of one size came from smaller ones; none where they have the same size.

    Frames that became smaller went through the filter, whatever was asked for.
    """
    if native == size:
        return None
    method: UpscalerName = upscaler if doublings(native, size) else "lanczos"
    return Enlargement(factor=round(size.width / native.width, 3), method=method)
