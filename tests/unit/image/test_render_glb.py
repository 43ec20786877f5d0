"""GLB files: well formed, and the same scene as in the picture."""

import json
from typing import Any

import numpy as np
import pytest

from models.core.artifacts import Provenance
from models.image.render.glb import to_glb
from models.image.render.view import fit
from models.image.render.world import pieces
from models.image.schema import Camera, Material, Motion, Scene, SceneObject
from models.image.styles import style_named
from tests.unit.image.gltf_check import Glb

PHOTO = style_named("photo")
ORIGIN = Provenance(capability="image", backend="scene", model="scene", seed=7)
SCENE = Scene(
    objects=(
        SceneObject(shape="cube", color="#c03020", material=Material(metallic=1, roughness=0.2)),
        SceneObject(
            shape="cone",
            color="#d0e8e0",
            material=Material(transmission=1, roughness=0),
            position=(0.9, 0.2),
            yaw_deg=30,
        ),
        SceneObject(shape="candle", color="#efe7d4", position=(-0.9, 0.2), size_m=0.7),
        SceneObject(shape="sphere", color="#2040c0", on=0, size_m=0.2),
    ),
    camera=Camera(azimuth_deg=25, elevation_deg=35),
)


def glb(motion: str | None = None, scene: Scene = SCENE) -> Glb:
    moving = Motion.model_validate({"kind": motion}) if motion else None
    return Glb(to_glb(scene, PHOTO, ORIGIN, (160, 90), moving))


@pytest.mark.parametrize("motion", [None, "turntable", "light", "objects"])
def test_a_file_is_well_formed(motion: str | None) -> None:
    file = glb(motion)

    animations = file.description.get("animations", [])
    assert [animation["name"] for animation in animations] == ([motion] if motion else [])


def test_every_triangle_stands_where_the_picture_has_it() -> None:
    world = glb().world()

    parts = pieces(SCENE, accents=True)
    drawn = np.concatenate([part.triangles.positions for part in parts])
    # Of z up, glTF makes y up: x, z, -y.
    expected = np.stack([drawn[:, 0], drawn[:, 2], -drawn[:, 1]], 1)
    found = np.concatenate([points for name, points in world.items() if name != "ground"])
    order = [np.lexsort(np.round(points, 3).T) for points in (found, expected)]
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.mean(0), expected.mean(0, np.float64), atol=1e-5)
    np.testing.assert_allclose(found[order[0]], expected[order[1]], atol=2e-3)


def test_the_camera_is_that_of_the_picture() -> None:
    points = np.concatenate([part.triangles.positions for part in pieces(SCENE)])
    view = fit(SCENE.camera, points, 160, 90)

    placed = glb().placed("camera")

    upright = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    np.testing.assert_allclose(placed[:3, 3], upright @ view.eye, atol=1e-6)
    np.testing.assert_allclose(placed[:3, 0], upright @ view.right, atol=1e-6)
    np.testing.assert_allclose(-placed[:3, 2], upright @ view.ahead, atol=1e-6)


def test_materials_say_what_the_surfaces_are() -> None:
    description = glb().description
    materials: dict[str, list[Any]] = {}
    for entry in description["materials"]:
        materials.setdefault(entry["name"], []).append(entry)

    metal = [m["pbrMetallicRoughness"]["metallicFactor"] for m in materials["opaque"]]
    assert max(metal) == 1
    glass = materials["glass"][0]["extensions"]
    assert glass["KHR_materials_transmission"]["transmissionFactor"] == 1
    assert glass["KHR_materials_ior"]["ior"] == 1.45
    assert max(materials["glow"][0]["emissiveFactor"]) == 1
    strength = materials["glow"][0]["extensions"]["KHR_materials_emissive_strength"]
    assert strength["emissiveStrength"] > 0


def test_equal_shapes_share_their_arrays() -> None:
    cube = SceneObject(shape="cube", color="#c03020")
    pair = Scene(objects=(cube, cube.model_copy(update={"position": (2.0, 0.0)})))

    alone = glb(scene=Scene(objects=(cube,)))

    assert len(glb(scene=pair).arrays) == len(alone.arrays)


def test_what_others_stand_on_does_not_turn_by_itself() -> None:
    description = glb("objects").description

    (animation,) = description["animations"]
    turned = [description["nodes"][c["target"]["node"]]["name"] for c in animation["channels"]]
    assert sorted(turned) == ["candle", "cone", "sphere"]


def test_a_file_says_where_it_comes_from() -> None:
    description = glb().description

    (packet,) = description["extensions"]["KHR_xmp_json_ld"]["packets"]
    assert description["asset"]["extensions"]["KHR_xmp_json_ld"]["packet"] == 0
    assert (packet["orrery:backend"], packet["orrery:seed"]) == ("scene", "7")
    assert json.dumps(packet)
