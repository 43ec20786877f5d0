import numpy as np
import pytest

from models.image.render.mesh import Mesh, corner_normals
from models.image.render.shapes import stretch, unit_parts
from models.image.render.shapes.kit import ball, box
from models.image.render.world import base_heights, placed_points, unit_points
from models.image.schema import Scene, SceneObject
from models.image.shapes import PROPORTIONS, SHAPE_NAMES, ShapeName


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_every_shape_has_its_proportions_and_rests_on_the_ground(shape: ShapeName) -> None:
    points = unit_points(shape)

    assert points[:, 2].min() == pytest.approx(0, abs=1e-5)
    assert points[:, 2].max() == pytest.approx(PROPORTIONS[shape].height, rel=0.01)
    assert np.hypot(*points[:, :2].T).max() == pytest.approx(PROPORTIONS[shape].radius, rel=0.01)


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_no_shape_is_distorted_to_fit(shape: ShapeName) -> None:
    assert 0.8 < stretch(shape) < 1.2


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_every_part_is_closed(shape: ShapeName) -> None:
    for part in unit_parts(shape):
        assert _open_edges(part.mesh) == 0


@pytest.mark.parametrize("shape", SHAPE_NAMES)
def test_the_named_colour_has_the_largest_surface(shape: ShapeName) -> None:
    parts = unit_parts(shape)
    own = sum(_area(part.mesh) for part in parts if part.surface.color is None)
    others = [_area(part.mesh) for part in parts if part.surface.color is not None]

    assert own > 0.9 * max(others, default=0.0)


def test_a_box_keeps_flat_faces_and_a_ball_is_smooth() -> None:
    cube, sphere = box(2, 2, 2, 0.05), ball(1.0)
    flat = np.abs(corner_normals(cube)).max(-1) > 0.999
    corners = sphere.vertices[sphere.faces]

    assert flat.mean() > 0.2
    assert np.einsum("fcj,fcj->fc", corner_normals(sphere), corners).min() > 0.99


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        ("sphere", "table"),
        ("book", "crate"),
        ("mug", "stool"),
        ("sphere", "bowl"),
        ("teapot", "cube"),
    ],
)
def test_what_rests_on_something_touches_it_without_floating(
    upper: ShapeName, lower: ShapeName
) -> None:
    scene = Scene(objects=(_thing(lower, 0.6), _thing(upper, 0.2, on=0)))
    height = base_heights(scene)[1]
    above, below = placed_points(scene.objects[1], height), placed_points(scene.objects[0], 0.0)

    assert 0 < height <= below[:, 2].max()
    assert -0.012 < _clearance(above, below) < 0.012


def test_an_orange_lies_inside_a_bowl() -> None:
    scene = Scene(objects=(_thing("bowl", 0.5), _thing("sphere", 0.15, on=0)))

    assert base_heights(scene)[1] < 0.3 * PROPORTIONS["bowl"].height * 0.5


def test_chains_of_supports_add_up() -> None:
    scene = Scene(
        objects=(_thing("book", 0.2, on=1), _thing("book", 0.3, on=2), _thing("crate", 0.5))
    )
    crate, book = 1.4 * 0.5, 0.32 * 0.3

    assert base_heights(scene) == pytest.approx((crate + book, crate, 0.0), abs=0.01)


def test_what_hangs_over_nothing_falls_to_the_ground() -> None:
    aside = _thing("sphere", 0.2, on=0).model_copy(update={"position": (3.0, 0.0)})

    assert base_heights(Scene(objects=(_thing("table", 0.6), aside)))[1] == 0


def _thing(shape: ShapeName, size_m: float, on: int | None = None) -> SceneObject:
    return SceneObject(shape=shape, color="#808080", size_m=size_m, on=on)


def _area(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _open_edges(mesh: Mesh) -> int:
    """Edges that are not passed once in each direction, after welding equal vertices."""
    places = np.zeros(len(mesh.vertices), np.int64)
    for along in np.round(mesh.vertices, 6).T:
        places = places * len(places) + np.unique(along, return_inverse=True)[1]
    _, welded = np.unique(places, return_inverse=True)
    faces = welded[mesh.faces]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = edges[edges[:, 0] != edges[:, 1]]
    sign = np.where(edges[:, 0] < edges[:, 1], 1, -1)
    names = edges.min(1) * len(places) + edges.max(1)
    _, index = np.unique(names, return_inverse=True)
    return int((np.bincount(index, sign) != 0).sum())


def _clearance(above: np.ndarray, below: np.ndarray) -> float:
    """Smallest vertical gap between two clouds of corners, seen through a coarse grid."""
    upper, lower = _dense(above), _dense(below)
    east, north = np.round(np.concatenate([upper, lower])[:, :2].T / 0.02).astype(int)
    _, squares = np.unique(10_000 * east + north, return_inverse=True)
    lows, tops = np.full(squares.max() + 1, np.inf), np.full(squares.max() + 1, -np.inf)
    np.minimum.at(lows, squares[: len(upper)], upper[:, 2])
    np.maximum.at(tops, squares[len(upper) :], lower[:, 2])
    return float((lows - tops).min())


def _dense(corners: np.ndarray) -> np.ndarray:
    """Random points on triangles, by area."""
    triangles = corners.reshape(-1, 3, 3).astype(float)
    generator = np.random.default_rng(0)
    area = np.linalg.norm(
        np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1
    )
    chosen = triangles[generator.choice(len(triangles), 40_000, p=area / area.sum())]
    u, v = np.sort(generator.random((2, len(chosen), 1)), axis=0)
    return chosen[:, 0] * u + chosen[:, 1] * (v - u) + chosen[:, 2] * (1 - v)
