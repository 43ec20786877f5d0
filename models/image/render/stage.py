"""A scene in the path tracer's terms: one mesh per kind of surface under one environment.

Kernels are compiled per set of plugin types, not per scene. Merging all objects into one mesh
whose colours travel as vertex attributes keeps that set the same, so a new scene starts at once.
"""

from typing import Any

import numpy as np

from models.image.render.colors import Pixels, linear
from models.image.render.lights import MOODS, Lighting
from models.image.render.world import Kind, Piece, Triangles
from models.image.schema import Scene

Mitsuba = Any
"""The `mitsuba` module; its variant is chosen at run time, so it has no static types."""
Loaded = Any
"""An object of that module: a scene, a mesh, a sensor."""

GROUND_M = 400.0
GRAIN_PX = 256
FROSTED_ALPHA = 0.18
GLASS_IOR, FROSTED_IOR = 1.45, 1.4


def load(
    mi: Mitsuba,
    scene: Scene,
    parts: tuple[Piece, ...],
    integrator: dict[str, Any],
    lighting: Lighting,
) -> Loaded:
    """The scene, ready to trace."""
    mood = MOODS[scene.light]
    stage: dict[str, Any] = {
        "type": "scene",
        "integrator": integrator,
        "environment": _environment(mi, scene, lighting),
        "ground": _mesh(mi, "ground", _ground(scene, parts), _ground_surface(mi, scene)),
    }
    for kind in ("opaque", "glass", "frosted"):
        chosen = [part.triangles for part in parts if part.kind == kind]
        if chosen:
            stage[kind] = _mesh(mi, kind, _joined(chosen), _surface(kind))
    lit = [part.triangles for part in parts if part.kind == "glow"]
    for index, triangles in enumerate(lit):
        stage[f"glow{index}"] = _mesh(mi, "glow", triangles, _surface("glow"), mood.glow)
    return mi.load_dict(stage)


def _environment(mi: Mitsuba, scene: Scene, lighting: Lighting) -> dict[str, Any]:
    radiance = lighting.radiance(scene.light)
    turn_deg = scene.camera.azimuth_deg + lighting.turn_deg
    shift = round(turn_deg / 360 * radiance.shape[1])
    return {
        "type": "envmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(np.roll(radiance, -shift, axis=1))),
        "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90),
    }


def _joined(parts: list[Triangles]) -> Triangles:
    return Triangles(
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.color for part in parts]),
        np.concatenate([part.traits for part in parts]),
    )


def _attribute(name: str) -> dict[str, str]:
    return {"type": "mesh_attribute", "name": f"vertex_{name}"}


def _surface(kind: Kind) -> dict[str, Any]:
    if kind == "opaque":
        return {
            "type": "principled",
            "base_color": _attribute("color"),
            "roughness": _attribute("roughness"),
            "metallic": _attribute("metallic"),
            "clearcoat": _attribute("clearcoat"),
            "clearcoat_gloss": 0.96,
            "specular": 0.5,
        }
    if kind == "glass":
        return {
            "type": "dielectric",
            "int_ior": GLASS_IOR,
            "specular_transmittance": _attribute("color"),
        }
    if kind == "frosted":
        return {
            "type": "roughdielectric",
            "alpha": FROSTED_ALPHA,
            "int_ior": FROSTED_IOR,
            "specular_transmittance": _attribute("color"),
        }
    return {"type": "diffuse", "reflectance": _attribute("color")}


def _ground_surface(mi: Mitsuba, scene: Scene) -> dict[str, Any]:
    grain = _grain()
    color = np.clip(linear(scene.ground.color) * grain[..., None], 0, 0.9).astype(np.float32)
    rough = np.clip(scene.ground.roughness * (2 - grain[..., None]), 0.08, 1).astype(np.float32)
    return {
        "type": "principled",
        "base_color": _bitmap(mi, color),
        "roughness": _bitmap(mi, rough),
        "specular": 0.4,
    }


def _bitmap(mi: Mitsuba, texels: Pixels) -> dict[str, Any]:
    return {"type": "bitmap", "bitmap": mi.Bitmap(texels), "raw": True}


def _grain() -> Pixels:
    """Faint tiling mottle around 1, `(GRAIN_PX, GRAIN_PX)`: no surface is perfectly even."""
    generator = np.random.default_rng(11)
    frequency = np.fft.fftfreq(GRAIN_PX) * GRAIN_PX
    distance = np.hypot(frequency[:, None], frequency[None])
    spectrum = np.fft.fft2(generator.normal(size=(GRAIN_PX, GRAIN_PX)))
    spectrum *= np.where(distance > 0, 1 / np.maximum(distance, 2.0) ** 1.3, 0)
    noise = np.real(np.fft.ifft2(spectrum))
    return np.asarray(1 + 0.014 * noise / noise.std(), np.float32)


def _ground(scene: Scene, parts: tuple[Piece, ...]) -> Triangles:
    points = np.concatenate([part.triangles.positions for part in parts])
    low, high = points.min(0), points.max(0)
    x, y = (low[:2] + high[:2]) / 2
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, -1), (1, 1), (-1, 1)], np.float32)
    flat = corners * GROUND_M + np.array([x, y])
    positions = np.concatenate([flat, np.zeros((6, 1))], 1).astype(np.float32)
    normals = np.tile(np.array([0, 0, 1], np.float32), (6, 1))
    color = np.tile(linear(scene.ground.color), (6, 1))
    return Triangles(positions, normals, color, np.zeros((6, 4), np.float32))


def _emission(triangles: Triangles, glow: float) -> dict[str, Any]:
    """Uniform over a mesh: emitters are sampled without knowing which attribute was hit."""
    radiance = triangles.color[0] * triangles.traits[0, 3] * glow
    return {"type": "area", "radiance": {"type": "rgb", "value": radiance.tolist()}}


def _mesh(
    mi: Mitsuba, kind: Kind, triangles: Triangles, surface: dict[str, Any], glow: float = 0.0
) -> Loaded:
    count = len(triangles.positions)
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(surface)
    if kind == "glow":
        properties["emitter"] = mi.load_dict(_emission(triangles, glow))
    mesh = mi.Mesh(
        kind,
        count,
        count // 3,
        props=properties,
        has_vertex_normals=True,
        has_vertex_texcoords=kind == "ground",
    )
    mesh.add_attribute("vertex_color", 3, triangles.color.ravel())
    for column, name in enumerate(("roughness", "metallic", "clearcoat")):
        mesh.add_attribute(f"vertex_{name}", 1, np.ascontiguousarray(triangles.traits[:, column]))
    buffers = mi.traverse(mesh)
    buffers["vertex_positions"] = triangles.positions.ravel()
    buffers["vertex_normals"] = triangles.normals.ravel()
    buffers["faces"] = np.arange(count, dtype=np.uint32)
    if kind == "ground":
        tile_m = 3.0
        buffers["vertex_texcoords"] = np.ascontiguousarray(
            triangles.positions[:, :2] / tile_m
        ).ravel()
    buffers.update()
    return mesh
