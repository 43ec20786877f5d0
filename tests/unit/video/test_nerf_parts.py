import math

import numpy as np
import pytest

from models.core.errors import InvalidInput
from models.video.nerf.hull import aimed_at, box_of, cells_in_hull
from models.video.nerf.score import psnr_db, ssim
from models.video.nerf.settings import FitSettings
from models.video.nerf.views import Views
from models.video.nerf.volume import cells_around, corners_of, grown, leaps, new_grid
from tests.unit.video.scenes import BALLS, balls_views


def test_leaps_are_chessboard_distances():
    filled = np.random.default_rng(0).random((9, 7, 8)) > 0.985
    distance = leaps(filled, 20)

    cells, full = np.indices(filled.shape).reshape(3, -1).T, np.argwhere(filled)
    truth = np.abs(cells[:, None] - full[None]).max(-1).min(1)
    np.testing.assert_array_equal(distance.ravel(), truth)


def test_cells_and_corners_know_each_other():
    voxels = np.zeros((5, 5, 5), bool)
    voxels[2, 2, 2] = True

    assert cells_around(voxels).sum() == 8
    assert corners_of(cells_around(voxels)).sum() == 27


def test_the_box_holds_the_scene_and_little_else():
    views = balls_views()
    box = box_of(views)
    low = np.min([centre - radius for centre, radius in BALLS], 0)
    high = np.max([centre + radius for centre, radius in BALLS], 0)

    assert (box.low <= low + 1e-6).all()
    assert (box.high >= high - 1e-6).all()
    assert np.prod(box.extent) < 4 * np.prod(high - low)


def test_the_hull_keeps_every_point_of_the_scene():
    views = balls_views()
    box, cells = box_of(views), (20, 16, 14)
    hull = cells_in_hull(views, box, cells)
    random = np.random.default_rng(1)
    for centre, radius in BALLS:
        way = random.normal(size=(300, 3))
        points = centre + radius * way / np.linalg.norm(way, axis=1, keepdims=True)
        at = ((points - box.low) / box.extent * cells).astype(int).clip(0, np.array(cells) - 1)
        assert hull[tuple(at.T)].all()

    assert hull.mean() < 0.6


def test_the_cameras_aim_at_what_they_were_turned_to():
    centre, distance = aimed_at(list(balls_views().cameras))

    np.testing.assert_allclose(centre, [0, 0, 0.35], atol=1e-3)
    assert math.isclose(distance, 3, rel_tol=0.02)


def test_growing_a_linear_field_keeps_it():
    box = box_of(balls_views())
    grid = new_grid(box, 8)
    places = np.indices(tuple(grid.shape)).reshape(3, -1).T / (grid.shape - 1)
    grid.density[:] = places @ [1.0, -2.0, 0.5]
    fine = grown(grid, box, 16)
    places = np.indices(tuple(fine.shape)).reshape(3, -1).T / (fine.shape - 1)

    np.testing.assert_allclose(fine.density, places @ [1.0, -2.0, 0.5], atol=1e-5)


def test_scores_of_known_differences():
    picture = np.random.default_rng(0).random((24, 24, 3))

    assert psnr_db(picture, picture) == 99
    assert math.isclose(psnr_db(picture, picture + 0.1), 20, abs_tol=1e-9)
    assert math.isclose(ssim(picture, picture), 1)
    assert ssim(picture, 1 - picture) < 0


def test_views_without_their_cameras_are_refused():
    views = balls_views(12)
    with pytest.raises(InvalidInput, match="cameras"):
        Views(views.images, views.cameras[:5], (0,), "photos")
    with pytest.raises(InvalidInput, match="held-out"):
        Views(views.images, views.cameras, tuple(range(12)), "photos")
    with pytest.raises(InvalidInput, match="voxels"):
        FitSettings(voxels=4096)
