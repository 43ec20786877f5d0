"""The learned upscaler: what it does to pictures, what it costs no picture, and how it is taught."""

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.core.errors import Cancelled, ModelUnavailable
from models.core.seeds import numpy_generator
from models.core.weights import MANIFEST
from models.media.canvas import Canvas
from models.media.codecs import choose_encoder
from models.media.enlarging.arrays import Floats, Net
from models.media.enlarging.enlarger import STRIP_ROWS, Enlarger
from models.media.enlarging.network import Doubler
from models.media.enlarging.strip import LANES, double_rows
from models.media.enlarging.weights import FILE, FOLDER, net_in, trained
from models.media.formats import UpscalerName
from models.media.planes import samples
from models.media.poll import patience
from models.media.reel import Reel, Shot
from models.media.size import Size
from models.video.enlarging.lessons import Lessons, Pair
from models.video.enlarging.patterns import PAINTERS
from models.video.enlarging.shrinking import halved, in_bytes
from models.video.enlarging.train import Plan, train
from models.video.nerf.score import psnr_db

torch.set_num_threads(1)
TINY = Plan(scenes=1, drawings=5, side_px=128, steps=3, batch=4)
HELD_OUT = 1234


def pattern(kind: str, side_px: int = 128) -> Floats:
    """One that training never draws."""
    return PAINTERS[kind](numpy_generator(HELD_OUT, kind, 0), side_px)


def frame_luma(
    small: Floats, size: Size, upscaler: UpscalerName, layout: str = "yuv420p10le"
) -> Floats:
    """Luma in 0-1 of a grey picture in a frame."""
    native = Size(small.shape[1], small.shape[0])
    picture = np.repeat(np.rint(small * 255).astype(np.uint8)[..., None], 3, -1)
    frame = Canvas(native, size, layout, upscaler=upscaler).frame([picture], 0, Fraction(1))
    deep = layout != "yuv420p"
    base, scale = (64, 876) if deep else (16, 219)
    return (samples(frame.planes[0]).astype(np.float32) - base) / scale


def whole(net: Net, luma: Floats) -> Floats:
    out = np.empty((2 * luma.shape[0], 2 * luma.shape[1]), np.float32)
    double_rows(np.pad(luma, net.margin, mode="edge"), 0, len(luma), net, out)
    return out


def test_strips_and_columns_meet_without_a_seam() -> None:
    rng, net = np.random.default_rng(0), trained()
    luma = rng.random((2 * STRIP_ROWS + 5, LANES + 9), dtype=np.float32)
    size = Size(2 * luma.shape[1], 2 * luma.shape[0])
    target = np.empty((size.height, size.width), np.uint16)
    Enlarger(Size(luma.shape[1], luma.shape[0]), size).write(luma, target, 10, patience)

    assert np.array_equal(target, (whole(net, luma) * 876 + 64.5).astype(np.uint16))


def test_the_compiled_network_is_the_one_that_was_taught(tmp_path: Path) -> None:
    assert train(tmp_path, plan=TINY) is not None
    taught, net = Doubler(), net_in(tmp_path)
    taught.load_state_dict(load_file(tmp_path / FILE))  # the correction held back
    luma = pattern("text", 64)
    with torch.inference_mode():
        padded = np.pad(luma, net.margin, mode="edge")
        wanted = taught(torch.from_numpy(padded)[None, None])[0, 0].numpy()

    assert np.abs(whole(net, luma) - wanted.clip(0, 1)).max() < 1e-5


def test_without_a_correction_luma_is_that_of_the_lanczos_filter() -> None:
    net = trained()
    plain = net._replace(last=0 * net.last, last_bias=0 * net.last_bias)
    small = in_bytes(0.25 + 0.5 * halved(pattern("figures")))  # nothing overshoots white
    target = np.empty((128, 128), np.uint16)
    Enlarger(Size(64, 64), Size(128, 128), plain).write(small, target, 10, patience)
    filtered = frame_luma(small, Size(128, 128), "lanczos") * 876 + 64

    assert np.abs(target - filtered).max() <= 2  # codes of 1023


@pytest.mark.parametrize(
    ("kind", "least_db"),
    [("text", 1.0), ("figures", 1.0), ("gratings", 0.0), ("textures", 0.0), ("gradients", 0.0)],
)
def test_no_kind_of_picture_loses_and_edges_gain(kind: str, least_db: float) -> None:
    large = pattern(kind)
    learned, filtered = (
        psnr_db(frame_luma(halved(large), Size(128, 128), name), large)
        for name in ("learned", "lanczos")
    )

    assert learned - filtered >= least_db


@pytest.mark.parametrize("size", [Size(256, 256), Size(192, 192), Size(160, 144), Size(66, 64)])
@pytest.mark.parametrize("layout", ["yuv420p", "yuv422p10le"])
def test_any_larger_size_is_reached_and_colour_is_lanczos(size: Size, layout: str) -> None:
    small = (np.random.default_rng(1).random((64, 64, 3)) * 60 + 90).astype(np.uint8)
    learned, filtered = (
        Canvas(Size(64, 64), size, layout, upscaler=name).frame([small], 0, Fraction(1))
        for name in ("learned", "lanczos")
    )
    luma, plain = (samples(frame.planes[0]).astype(int) for frame in (learned, filtered))

    assert luma.shape == (size.height, size.width)
    assert abs(luma.mean() - plain.mean()) < 0.01 * plain.mean()
    assert not np.array_equal(luma, plain)
    for plane in (1, 2):
        assert np.array_equal(samples(learned.planes[plane]), samples(filtered.planes[plane]))


@pytest.mark.parametrize("size", [Size(64, 64), Size(32, 32)])
def test_frames_that_are_no_larger_are_left_alone(size: Size) -> None:
    small = halved(pattern("text"))
    learned, plain = (frame_luma(small, size, name) for name in ("learned", "lanczos"))

    assert np.array_equal(learned, plain)


def test_black_and_white_stay_what_they_are() -> None:
    for tone in (0, 1):
        flat = np.full((64, 64), tone, np.float32)

        assert np.abs(frame_luma(flat, Size(128, 128), "learned") - tone).max() <= 1 / 876


def test_light_for_hdr10_is_enlarged_as_code_values() -> None:
    light = np.repeat(halved(pattern("text"))[..., None] * 4, 3, -1)
    native, size = Size(64, 64), Size(128, 128)
    frames = [
        Canvas(native, size, "yuv420p10le", hdr=True, upscaler=name).frame([light], 0, Fraction(1))
        for name in ("learned", "lanczos")
    ]
    luma, plain = (samples(frame.planes[0]).astype(int) for frame in frames)

    assert [frame.color_trc for frame in frames] == [16, 16]
    assert luma.min() >= 64 - 2
    assert luma.max() <= 940
    assert 0 < np.abs(luma - plain).mean() < 30


def test_a_film_stops_between_strips() -> None:
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Cancelled("the caller left")

    small = np.zeros((8 * STRIP_ROWS, 64, 3), np.uint8)
    canvas = Canvas(
        Size(64, 8 * STRIP_ROWS), Size(128, 16 * STRIP_ROWS), "yuv420p", upscaler="learned"
    )
    with pytest.raises(Cancelled):
        canvas.frame([small], 0, Fraction(1), poll)

    assert calls >= 3


def test_the_same_frames_are_the_same_film(tmp_path: Path) -> None:
    native, size = Size(64, 48), Size(128, 96)
    small = (halved(pattern("text"))[:48, :, None] * [255, 200, 150]).astype(np.uint8)

    def paint(number: int) -> Iterator[np.ndarray]:
        yield np.roll(small, number, 1)

    films = []
    for name, upscaler in (("a", "learned"), ("b", "learned"), ("c", "lanczos")):
        shot = Shot(
            choose_encoder("h264", size, "none"), native, size, Fraction(8), 4, False, upscaler
        )
        reel = Reel(tmp_path / name, shot)
        list(reel.shoot(paint))
        films.append(b"".join(reel.chunks()))

    assert films[0] == films[1] != films[2]


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    for file in (FILE, MANIFEST):
        shutil.copy(FOLDER / file, tmp_path)
    content = bytearray((tmp_path / FILE).read_bytes())
    content[-1] ^= 1
    (tmp_path / FILE).write_bytes(content)

    with pytest.raises(ModelUnavailable, match="not the file of its manifest"):
        net_in(tmp_path)


def test_patches_of_a_batch_lie_over_one_another() -> None:
    large = pattern("gradients", 160)
    lessons = Lessons([Pair(large, halved(large))], [], margin=5)
    small, wanted = lessons.batch(8, np.random.default_rng(0))

    inner = small[..., 5:-5, 5:-5].repeat_interleave(2, -1).repeat_interleave(2, -2)
    assert wanted.shape == inner.shape
    assert float((inner - wanted).abs().max()) < 0.1
