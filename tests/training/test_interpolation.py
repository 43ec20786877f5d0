"""Pictures between pictures: what is made is compared with what was there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.core.capability import Run
from models.core.errors import Cancelled
from models.media.motion.follow import Followed, between, follow, is_cut
from models.media.size import Size
from models.video.generator import Take
from models.video.nerf.score import psnr_db
from models.video.pace import Pace
from models.video.schema import VideoRequest

Picture = NDArray[np.uint8]
HEIGHT, WIDTH = 96, 128
EDGE = 16
"""Pixels at the border that are not compared: what enters there was never seen before."""


def nobody() -> None:
    pass


def waves(y: NDArray[np.floating], x: NDArray[np.floating], seed: int = 0) -> NDArray[np.floating]:
    """A texture `(..., 3)`, 0-255, that is known at every place, not only at pixels.

    As in photographs, what is coarse is strong and what is fine is weak.
    """
    random = np.random.default_rng(seed)
    value = np.zeros((*y.shape, 3))
    for fine in np.geomspace(0.04, 0.8, 24):  # radians a pixel
        turn = random.uniform(0, 2 * np.pi)
        along = fine * (np.sin(turn) * y + np.cos(turn) * x)
        value += 9 * fine**-0.5 * np.sin(along[..., None] + random.uniform(0, 6.3, 3))
    return np.asarray(128 + value)


def textured(down: float = 0, across: float = 0, zoom: float = 1, seed: int = 0) -> Picture:
    """The texture, moved and enlarged about the middle."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    y, x = (y - HEIGHT / 2 - down) / zoom, (x - WIDTH / 2 - across) / zoom
    return np.clip(waves(y, x, seed), 0, 255).astype(np.uint8)


def square_at(column: float) -> Picture:
    """A square of another texture before the resting one; it takes its own texture along."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    picture = textured().astype(float)
    within = (abs(y - HEIGHT / 2) < 18) & (abs(x - column) < 18)
    picture[within] = 255 - waves(y, x - column, 7)[within]
    return np.clip(picture, 0, 255).astype(np.uint8)


def score(made: NDArray[Any], truth: Picture) -> float:
    inner = slice(EDGE, -EDGE)
    return psnr_db(made[inner, inner] / 255.0, truth[inner, inner] / 255.0)


def made(earlier: Picture, later: Picture, share: float = 0.5) -> tuple[Picture, Followed]:
    moved = follow(earlier, later, nobody)
    return between(earlier, later, moved, share), moved


@pytest.mark.parametrize(("down", "across"), [(0, 1.5), (-3, 5), (7.5, -12), (0.25, 0.25)])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_what_moves_evenly_is_halfway_at_half_the_time(
    down: float, across: float, share: float
) -> None:
    earlier, later = textured(), textured(down, across)
    picture, moved = made(earlier, later, share)
    truth = textured(share * down, share * across)

    assert score(picture, truth) > 38
    if abs(across) > 2:
        blend = (1 - share) * earlier + share * later
        assert score(picture, truth) > score(blend, truth) + 10
        assert score(picture, truth) > score(earlier, truth) + 10
    inner = moved.there[EDGE:-EDGE, EDGE:-EDGE].reshape(-1, 2)
    np.testing.assert_allclose(np.median(inner, 0), (down, across), atol=0.02)


def test_what_grows_is_followed() -> None:
    earlier, later = textured(), textured(zoom=1.08)
    truth = textured(zoom=1.04)
    picture, _ = made(earlier, later)

    assert score(picture, truth) > 33
    assert score(picture, truth) > score((earlier / 2 + later / 2), truth) + 6


def test_what_is_hidden_in_one_picture_is_taken_from_the_other() -> None:
    earlier, truth, later = square_at(52), square_at(58), square_at(64)
    picture, moved = made(earlier, later)

    assert score(picture, truth) > score((earlier / 2 + later / 2), truth) + 6
    assert score(picture, truth) > 27
    # The square hides a strip of twelve columns on its way, and gives back another.
    hidden = moved.seen[0][HEIGHT // 2, 70:82]
    assert hidden.mean() < 0.5
    assert moved.seen[0][HEIGHT // 2, 16:26].all()


def test_a_resting_picture_stays_as_it_is() -> None:
    picture, moved = made(textured(), textured())

    np.testing.assert_array_equal(picture, textured())
    assert moved.share == 1


def test_pictures_are_the_same_every_time() -> None:
    first, _ = made(textured(), textured(2, 3))
    again, _ = made(textured(), textured(2, 3))

    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("size", [(2, 64), (64, 2), (7, 9), (33, 47)])
def test_pictures_may_be_small_or_odd(size: tuple[int, int]) -> None:
    picture = np.ascontiguousarray(textured()[: size[0], : size[1]])

    assert made(picture, picture)[0].shape == picture.shape


def test_another_scene_is_told_from_a_fast_camera() -> None:
    assert is_cut(follow(textured(), textured(seed=3), nobody))
    assert is_cut(follow(square_at(40), 255 - textured(seed=5), nobody))
    for down, across, zoom in ((0, 20, 1), (14, -16, 1), (0, 0, 1.25)):
        assert not is_cut(follow(textured(), textured(down, across, zoom), nobody))


def test_light_that_fades_is_no_cut_and_fades_evenly() -> None:
    earlier, truth, later = textured(), 0.85 * textured(0, 3), 0.7 * textured(0, 6)
    picture, moved = made(earlier, later.astype(np.uint8))

    assert not is_cut(moved)
    assert score(picture, truth.astype(np.uint8)) > 40


def test_following_can_be_stopped() -> None:
    def left() -> None:
        raise Cancelled("the caller left")

    with pytest.raises(Cancelled):
        follow(textured(), textured(1, 1), left)


def paced(
    pictures: list[Picture], own: float, folder: Path, **fields: Any
) -> tuple[Pace, list[int]]:
    asked: list[int] = []

    def picture(number: int) -> Picture:
        asked.append(number)
        return pictures[number]

    body = {"prompt": "a cat", "engine": "diffusion", "width": 128, "height": 96}
    request = VideoRequest.model_validate(body | fields)
    take = Take(Size(WIDTH, HEIGHT), own, len(pictures), picture)
    return Pace(take, request, picture, folder, Run()), asked


def test_frames_between_pictures_show_what_is_between(tmp_path: Path) -> None:
    pictures = [textured(0, 6 * number) for number in range(3)]
    pace, asked = paced(pictures, 8, tmp_path, fps=24, duration_s=0.375)
    frames = []
    for number in range(9):
        frames.append(pace.at(number))
        assert len(pace._pictures) <= 2

    for number in range(7):
        assert score(frames[number], textured(0, 2 * number)) > 36
    np.testing.assert_array_equal(frames[8], pictures[2])
    assert asked == sorted(set(asked))
    told = pace.told()
    assert told is not None
    assert (told.frames, told.cuts) == (4, ())
    assert told.followed is not None
    assert told.followed > 0.8


def test_nothing_is_made_across_a_cut_and_that_is_told(tmp_path: Path) -> None:
    pictures = [textured(), textured(0, 4), textured(seed=3), textured(0, 4, seed=3)]
    pace, _ = paced(pictures, 12, tmp_path, fps=36, duration_s=1 / 3)
    frames = [pace.at(number) for number in range(10)]

    np.testing.assert_array_equal(frames[4], pictures[1])
    np.testing.assert_array_equal(frames[5], pictures[2])
    told = pace.told()
    assert told is not None
    assert (told.frames, told.cuts) == (4, (2,))


def test_a_frame_is_the_same_wherever_a_clip_is_taken_up(tmp_path: Path) -> None:
    pictures = [textured(0, 5 * number) for number in range(3)]
    shape = {"fps": 24, "duration_s": 0.375}
    pace, _ = paced(pictures, 8, tmp_path, **shape)
    whole = [pace.at(number) for number in range(9)]

    for number in range(1, 9):
        again, _ = paced(pictures, 8, tmp_path, **shape)
        np.testing.assert_array_equal(again.at(number), whole[number])


def test_an_interrupted_clip_tells_all_of_its_cuts(tmp_path: Path) -> None:
    pictures = [textured(), textured(seed=3), textured(0, 4, seed=3)]
    first, _ = paced(pictures, 12, tmp_path, fps=24, duration_s=0.25)
    first.at(0), first.at(1)
    again, _ = paced(pictures, 12, tmp_path, fps=24, duration_s=0.25)
    again.at(2), again.at(3)
    told = again.told()
    again.forget()

    assert told is not None
    assert told.cuts == (1,)
    assert not list(tmp_path.iterdir())


def test_pictures_are_shown_longer_where_that_is_asked(tmp_path: Path) -> None:
    pictures = [textured(0, 6 * number) for number in range(3)]
    pace, asked = paced(pictures, 8, tmp_path, fps=24, duration_s=0.375, interpolate="none")
    for number in range(9):
        np.testing.assert_array_equal(pace.at(number), pictures[number // 3])

    assert pace.told() is None
    assert asked == [0, 1, 2]
