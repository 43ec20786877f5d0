"""Pictures out of a clip: a poster, and a sheet of thumbnails for the time line."""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import av
import numpy as np
from PIL import Image

from models.media.light import display_light
from models.media.size import Size

MEDIA_TYPE: Final = "image/jpeg"
JPEG_QUALITY: Final = 88
POSTER_SIDE_PX: Final = 1280
TILE_PX: Final = 160
MAX_TILES: Final = 25
PQ: Final = 16


@dataclass(frozen=True)
class SpriteSheet:
    """Thumbnails side by side, row by row.

    Attributes:
        content: A JPEG.
        columns: Thumbnails in a row.
        tile: Size of each.
        times_s: When each is seen.
    """

    content: bytes
    columns: int
    tile: Size
    times_s: tuple[float, ...]


def poster(path: str, side_px: int = POSTER_SIDE_PX) -> bytes:
    """The frame in the middle of a video, or the key frame before it, as a JPEG."""
    with av.open(path) as file:
        stream = _steady(file)
        if file.duration:
            file.seek(file.duration // 2, backward=True)
        return _jpeg(_picture(next(file.decode(stream)), side_px))


def sprite_sheet(path: str) -> SpriteSheet:
    """Thumbnails of key frames, spread evenly; at most 25."""
    with av.open(path) as file:
        count = sum(packet.is_keyframe for packet in file.demux(video=0) if packet.size)
    step = math.ceil(count / MAX_TILES)
    tiles, times = [], []
    for number, frame in enumerate(_key_frames(path)):
        if number % step == 0:
            tiles.append(_picture(frame, TILE_PX))
            times.append(round(float(frame.time), 3))
    columns = math.ceil(math.sqrt(len(tiles)))
    width, height = tiles[0].size
    sheet = Image.new("RGB", (columns * width, math.ceil(len(tiles) / columns) * height))
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % columns * width, number // columns * height))
    return SpriteSheet(_jpeg(sheet), columns, Size(width, height), tuple(times))


def _key_frames(path: str) -> Iterator[av.VideoFrame]:
    with av.open(path) as file:
        stream = _steady(file)
        stream.codec_context.skip_frame = "NONKEY"
        yield from file.decode(stream)


def _steady(file: Any) -> Any:  # noqa: ANN401 - PyAV's containers
    """The video, decoded without frames in advance: at 8K each takes 50 MB."""
    stream = file.streams.video[0]
    stream.thread_type = "SLICE"
    return stream


def _picture(frame: av.VideoFrame, side_px: int) -> Image.Image:
    size = Size(frame.width, frame.height).within(side_px, side_px)
    if int(frame.color_trc) != PQ:
        return Image.fromarray(frame.reformat(size.width, size.height, format="rgb24").to_ndarray())
    code = frame.reformat(size.width, size.height, format="rgb48le").to_ndarray() / np.float32(
        65535
    )
    light = display_light(code.astype(np.float32))
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return Image.fromarray((encoded * 255 + 0.5).astype(np.uint8))


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
