"""A scene as a GLB file: meshes, metallic-roughness materials, a camera, a light, and motion.

Sources: glTF 2.0 (ISO/IEC 12113) and its extensions KHR_materials_transmission, _volume, _ior,
_clearcoat, _emissive_strength, KHR_lights_punctual and KHR_xmp_json_ld.
"""

from functools import cache
from typing import Any, Final

import numpy as np

from models.core.artifacts import Provenance
from models.core.xmp import TOOL, json_packet
from models.image.render.colors import Pixels, linear
from models.image.render.gltf import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, Gltf, Index
from models.image.render.lights import MOODS, key_light
from models.image.render.mesh import Floats, Ints, rotation
from models.image.render.stage import FROSTED_ALPHA, FROSTED_IOR, GLASS_IOR
from models.image.render.view import View, fit
from models.image.render.world import Look, base_heights, looks, pieces, unit_triangles
from models.image.schema import Motion, Scene
from models.image.shapes import ShapeName
from models.image.styles import Style

MEDIA_TYPE: Final = "model/gltf-binary"
GROUND_OVER_SCENE: Final = 4.0
QUARTERS: Final = 4
Z_UP: Final = [-(0.5**0.5), 0.0, 0.0, 0.5**0.5]
"""Turns our z, which is up, to glTF's y."""
LUX: Final = 3.0
"""Of the key light: viewers expose for about this much."""


def to_glb(
    scene: Scene,
    style: Style,
    provenance: Provenance,
    size_px: tuple[int, int] = (1, 1),
    motion: Motion | None = None,
) -> bytes:
    """The scene in a style, as a file for other software.

    Args:
        scene: What stands where.
        style: Dresses it; its grade is for pictures only.
        provenance: Carried by the file.
        size_px: Only the ratio matters, for the camera.
        motion: Turns what it names once around.
    """
    dressed = style.dressed(scene)
    points = np.concatenate(
        [part.triangles.positions for part in pieces(dressed, accents=style.accents)]
    )
    builder = _Builder(dressed, points)
    objects = builder.objects(accents=style.accents)
    pivot = builder.pivot([builder.ground(), *objects])
    light = builder.light()
    camera = builder.camera(fit(dressed.camera, points, *size_px), size_px)
    builder.stand([pivot, light, camera])
    if motion is not None:
        moving = {"turntable": [pivot], "light": [light], "objects": objects}[motion.kind]
        builder.turn(motion.kind, moving, motion.seconds)
    builder.file.credit(json_packet(provenance))
    return builder.file.content()


@cache
def _indexed(shape: ShapeName) -> tuple[tuple[Pixels, Pixels, Ints], ...]:
    """Vertices `(V, 3)`, normals `(V, 3)` and indices `(3F,)` of every part at `size_m` 1."""
    out = []
    for corners, normals, _ in unit_triangles(shape):
        rows = np.concatenate([corners, _unit(normals)], 1)
        unique, index = np.unique(rows, axis=0, return_inverse=True)
        out.append((unique[:, :3], unique[:, 3:], index.reshape(-1)))
    return tuple(out)


def _unit(normals: Pixels) -> Pixels:
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    upright = np.array([0, 0, 1], np.float32)
    return np.where(length > 1e-6, normals / np.maximum(length, 1e-6), upright).astype(np.float32)


class _Builder:
    """One file and what has been put into it."""

    def __init__(self, scene: Scene, points: Pixels) -> None:
        self.file = Gltf(TOOL)
        self._scene = scene
        low, high = points.min(0), points.max(0)
        self._centre = (low[:2] + high[:2]) / 2
        self._reach = float(np.linalg.norm(high[:2] - low[:2])) * GROUND_OVER_SCENE / 2
        self._arrays: dict[ShapeName, list[dict[str, Any]]] = {}
        self._materials: dict[bytes, Index] = {}
        self._yaws: dict[Index, float] = {}

    def objects(self, *, accents: bool) -> list[Index]:
        """A node for each object, in the frame of the pivot."""
        nodes = []
        heights = base_heights(self._scene)
        for thing, height in zip(self._scene.objects, heights, strict=True):
            arrays = self._shape(thing.shape)
            surfaces = looks(thing, accents=accents)
            primitives = [
                {**part, "material": self._material(look)}
                for part, look in zip(arrays, surfaces, strict=True)
            ]
            mesh = self.file.add("meshes", name=thing.shape, primitives=primitives)
            x, y = (np.array(thing.position) - self._centre).tolist()
            node = self.file.add(
                "nodes",
                name=thing.shape,
                mesh=mesh,
                translation=[x, y, float(height)],
                rotation=_about_z(thing.yaw_deg),
                scale=[thing.size_m] * 3,
            )
            self._yaws[node] = thing.yaw_deg
            nodes.append(node)
        return nodes

    def ground(self) -> Index:
        """A square below everything."""
        corners = np.array([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], np.float32)
        up = np.tile(np.array([0, 0, 1], np.float32), (4, 1))
        ground = self._scene.ground
        look = Look(
            "opaque",
            np.clip(linear(ground.color), 0, 0.9),
            np.array([ground.roughness, 0, 0, 0], np.float32),
        )
        indices = np.array([0, 1, 2, 0, 2, 3])
        part = self._primitive(corners * self._reach, up, indices)
        part["material"] = self._material(look)
        return self.file.add(
            "nodes", name="ground", mesh=self.file.add("meshes", name="ground", primitives=[part])
        )

    def pivot(self, children: list[Index]) -> Index:
        """The node about whose axis a turntable turns."""
        x, y = self._centre.tolist()
        return self.file.add("nodes", name="scene", translation=[x, y, 0.0], children=children)

    def light(self) -> Index:
        """The brightest direction of the scene's light, as a distant lamp."""
        color, direction = key_light(self._scene.light)
        turned = rotation("z", self._scene.camera.azimuth_deg) @ direction
        self.file.extension(
            "KHR_lights_punctual",
            lights=[
                {
                    "type": "directional",
                    "name": self._scene.light,
                    "color": color.tolist(),
                    "intensity": LUX,
                }
            ],
        )
        lamp = self.file.add(
            "nodes",
            name="lamp",
            rotation=_quaternion(_facing(-turned)),
            extensions={"KHR_lights_punctual": {"light": 0}},
        )
        return self.file.add("nodes", name="light", children=[lamp])

    def camera(self, view: View, size_px: tuple[int, int]) -> Index:
        """The camera of the picture."""
        lens = self.file.add(
            "cameras",
            type="perspective",
            perspective={
                "yfov": float(2 * np.arctan(view.tangent_y)),
                "aspectRatio": size_px[0] / size_px[1],
                "znear": 0.01,
            },
        )
        axes = np.stack([view.right, view.up, -view.ahead], 1)
        return self.file.add(
            "nodes",
            name="camera",
            camera=lens,
            translation=view.eye.tolist(),
            rotation=_quaternion(axes),
        )

    def stand(self, nodes: list[Index]) -> None:
        """Put nodes into the scene, upright."""
        self.file.root(self.file.add("nodes", name="world", rotation=Z_UP, children=nodes))

    def turn(self, name: str, nodes: list[Index], seconds: float) -> None:
        """Turn nodes once around their vertical axes."""
        times = self.file.array(np.linspace(0, seconds, QUARTERS + 1))
        samplers, channels = [], []
        for node in nodes:
            start = self._yaws.get(node, 0.0)
            turns = [_about_z(start + 360 * step / QUARTERS) for step in range(QUARTERS + 1)]
            output = self.file.array(np.array(turns))
            samplers.append({"input": times, "output": output, "interpolation": "LINEAR"})
            target = {"node": node, "path": "rotation"}
            channels.append({"sampler": len(samplers) - 1, "target": target})
        self.file.add("animations", name=name, samplers=samplers, channels=channels)

    def _shape(self, shape: ShapeName) -> list[dict[str, Any]]:
        if shape not in self._arrays:
            self._arrays[shape] = [self._primitive(*part) for part in _indexed(shape)]
        return self._arrays[shape]

    def _primitive(self, positions: Pixels, normals: Pixels, indices: Ints) -> dict[str, Any]:
        return {
            "attributes": {
                "POSITION": self.file.array(positions, ARRAY_BUFFER),
                "NORMAL": self.file.array(normals, ARRAY_BUFFER),
            },
            "indices": self.file.array(indices, ELEMENT_ARRAY_BUFFER),
        }

    def _material(self, look: Look) -> Index:
        key = look.kind.encode() + look.color.tobytes() + look.traits.tobytes()
        if key not in self._materials:
            glow = MOODS[self._scene.light].glow
            self._materials[key] = self.file.add("materials", **material(look, glow))
        return self._materials[key]


def material(look: Look, glow: float) -> dict[str, Any]:
    """A surface as a glTF material.

    Args:
        look: The surface.
        glow: Strength of lights against a white wall.
    """
    roughness, metallic, clearcoat, own_glow = (float(value) for value in look.traits)
    color = [*(float(value) for value in look.color), 1.0]
    surface: dict[str, Any] = {
        "baseColorFactor": color,
        "metallicFactor": metallic,
        "roughnessFactor": roughness,
    }
    if look.kind == "glow":
        peak = max(*color[:3], 1e-6)
        strength = {"emissiveStrength": peak * own_glow * glow}
        return {
            "name": "glow",
            "pbrMetallicRoughness": surface | {"baseColorFactor": [0.0, 0.0, 0.0, 1.0]},
            "emissiveFactor": [value / peak for value in color[:3]],
            "extensions": {"KHR_materials_emissive_strength": strength},
        }
    extensions: dict[str, Any] = {}
    if look.kind != "opaque":
        surface["roughnessFactor"] = FROSTED_ALPHA**0.5 if look.kind == "frosted" else 0.0
        surface["metallicFactor"] = 0.0
        extensions = {
            "KHR_materials_transmission": {"transmissionFactor": 1.0},
            "KHR_materials_ior": {"ior": FROSTED_IOR if look.kind == "frosted" else GLASS_IOR},
            "KHR_materials_volume": {"thicknessFactor": 0.5},
        }
    elif clearcoat > 0:
        coat = {"clearcoatFactor": clearcoat, "clearcoatRoughnessFactor": 0.04}
        extensions = {"KHR_materials_clearcoat": coat}
    extended = {"extensions": extensions} if extensions else {}
    return {"name": look.kind, "pbrMetallicRoughness": surface, **extended}


def _about_z(degrees: float) -> list[float]:
    half = np.radians(degrees) / 2
    return [0.0, 0.0, float(np.sin(half)), float(np.cos(half))]


def _facing(direction: Floats) -> Floats:
    """Axes `(3, 3)` whose negative z points along a direction."""
    back = -direction / np.linalg.norm(direction)
    across = np.cross([0.0, 0.0, 1.0], back)
    if np.linalg.norm(across) < 1e-6:
        across = np.array([1.0, 0.0, 0.0])
    right = across / np.linalg.norm(across)
    return np.stack([right, np.cross(back, right), back], 1)


def _quaternion(axes: Floats) -> list[float]:
    """The rotation `(3, 3)` as `x, y, z, w`.

    Source: Bar-Itzhack 2000, "New method for extracting the quaternion from a rotation matrix".
    """
    (a, b, c), (d, e, f), (g, h, i) = axes
    matrix = np.array(
        [
            [a - e - i, d + b, g + c, h - f],
            [d + b, e - a - i, h + f, c - g],
            [g + c, h + f, i - a - e, d - b],
            [h - f, c - g, d - b, a + e + i],
        ]
    )
    _, vectors = np.linalg.eigh(matrix / 3)
    quaternion = vectors[:, -1]
    return [float(value) for value in quaternion]
