"""HDR10 and the slow codecs, read back from finished files."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from models.media.canvas import Band
from models.media.codecs import choose_encoder
from models.media.facts import read_back
from models.media.formats import CodecName
from models.media.join import join
from models.media.light import nits_of
from models.media.reel import Reel, Shot
from models.media.size import Size

SIZE = Size(192, 128)
RATE = Fraction(12)


def ramp(_number: int) -> Iterator[Band]:
    """Grey light from black to 5.5 times diffuse white, in 16 steps from left to right."""
    steps = np.repeat(np.linspace(0, 5.5, 16, dtype=np.float32), SIZE.width // 16)
    yield np.broadcast_to(steps[None, :, None], (SIZE.height, SIZE.width, 3)).copy()


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_hdr10_carries_its_metadata_and_its_light(codec: CodecName, tmp_path: Path) -> None:
    encoder = choose_encoder(codec, SIZE, "hdr10")
    reel = Reel(tmp_path / "reel", Shot(encoder, SIZE, SIZE, RATE, 6, hdr=True))
    list(reel.shoot(ramp))
    target = tmp_path / "clip.mp4"
    join(reel.chunks(), target, "mp4", RATE)
    facts = read_back(target, RATE)
    with av.open(str(target)) as file:
        luma = next(file.decode(video=0)).to_ndarray()[: SIZE.height].view(np.uint16)
    code = (np.median(luma[:, : SIZE.width].reshape(SIZE.height, 16, -1), (0, 2)) - 64) / 876

    assert facts.is_gapless
    assert (facts.transfer, facts.primaries) == (16, 9)
    assert facts.pixel_format == "yuv420p10le"
    assert {"CONTENT_LIGHT_LEVEL", "MASTERING_DISPLAY_METADATA"} <= set(facts.side_data)
    truth = np.minimum(np.linspace(0, 5.5, 16) * 203, 1000)
    assert nits_of(code)[1:] == pytest.approx(truth[1:], rel=0.06)


@pytest.mark.parametrize("codec", ["hevc", "av1"])
def test_slow_codecs_join_without_a_gap(codec: CodecName, tmp_path: Path) -> None:
    """Nor do the encoders within a segment that take over from each other."""
    encoder = replace(choose_encoder(codec, SIZE), frames_each=3)
    reel = Reel(tmp_path / "reel", Shot(encoder, SIZE, SIZE, RATE, 14))
    list(reel.shoot(lambda number: (np.clip(band / 6, 0, 1) for band in ramp(number))))
    target = tmp_path / "clip.mp4"
    join(reel.chunks(), target, "mp4", RATE)

    assert read_back(target, RATE).is_gapless
    assert (b"hvc1" in target.read_bytes()) == (codec == "hevc")
