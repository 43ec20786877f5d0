import math

import numpy as np

from models.video.camera import Camera, look_at


def test_the_middle_of_the_picture_looks_down_minus_z():
    camera = Camera(np.eye(4), 60, 101, 51)
    origins, directions = camera.rays(range(25, 26))

    np.testing.assert_allclose(directions[0, 50], [0, 0, -1], atol=1e-6)
    np.testing.assert_array_equal(origins, 0)


def test_the_upper_edge_is_half_the_angle_of_view_up():
    camera = Camera(np.eye(4), 60, 1, 200)
    direction = camera.rays(range(1))[1][0, 0]
    half_pixel = 0.5 / camera.focal_px

    expected = math.tan(math.radians(30)) - half_pixel
    assert math.isclose(direction[1] / -direction[2], expected, rel_tol=1e-6)


def test_rows_are_the_rows_of_the_whole_picture():
    camera = Camera(look_at(np.array([3.0, 1, 2]), np.zeros(3)), 50, 20, 12, 1.1, (0.5, -0.25))
    whole, part = camera.rays(range(12))[1], camera.rays(range(4, 9))[1]

    np.testing.assert_array_equal(whole[4:9], part)


def test_a_camera_that_looks_at_a_point_sees_it_in_its_middle_with_z_up():
    pose = look_at(np.array([3.0, -2, 1]), np.array([0.5, 0, 0.25]))
    view = Camera(pose, 40, 3, 3).rays(range(3))[1]
    towards = np.array([0.5, 0, 0.25]) - [3, -2, 1]

    np.testing.assert_allclose(view[1, 1], towards / np.linalg.norm(towards), atol=1e-6)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
    assert view[0, 1, 2] > view[2, 1, 2]


def test_straight_down_the_upper_edge_points_to_y():
    pose = look_at(np.array([0.0, 0, 5]), np.zeros(3))

    np.testing.assert_allclose(pose[:3, 1], [0, 1, 0], atol=1e-12)


def test_an_equirectangular_picture_sees_all_directions_once():
    camera = Camera(np.eye(4), 90, 64, 32, projection="equirectangular")
    directions = camera.rays(range(32))[1]
    latitude = (0.5 - (np.arange(32) + 0.5) / 32) * np.pi

    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1, atol=1e-6)
    mean = (directions * np.cos(latitude)[:, None, None]).mean((0, 1))
    np.testing.assert_allclose(mean, 0, atol=1e-6)
