"""Surfaces from depth: normals, a relief as a mesh, and the picture in another light."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.core.artifacts import Provenance
from models.core.xmp import TOOL, json_packet
from models.image.render.colors import decode_srgb, encode_srgb
from models.image.render.gltf import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, Gltf
from models.image.render.lights import environment
from models.image.schema import LightName

Floats = NDArray[np.floating[Any]]

MAX_SIDE = 512
"""Samples along the longer side of a relief."""
IRRADIANCE_ROWS = 24
AMBIENT = 0.15


def normals_of(depth: Floats, relief: float) -> Floats:
    """Unit normals `(H, W, 3)` of a depth map `(H, W)`: x to the right, y up, z to the viewer.

    Args:
        depth: 0 near, 1 far.
        relief: What a depth of 1 is, over the longer side.
    """
    height = -depth * relief * max(depth.shape)  # in pixels
    down, across = np.gradient(height)
    vectors = np.stack([-across, down, np.ones_like(depth)], -1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def relief(image: Image.Image, depth: Floats, amount: float, provenance: Provenance) -> bytes:
    """A GLB of the surface that faces the viewer, the picture being its texture.

    Args:
        image: What is laid over it.
        depth: `(H, W)`, 0 near, 1 far.
        amount: Depth of the relief over the longer side, which is 1 long.
        provenance: Carried by the file.
    """
    step = -(-max(depth.shape) // MAX_SIDE)
    samples = depth[::step, ::step]
    rows, columns = samples.shape
    longer = max(rows, columns) - 1
    y, x = np.mgrid[0:rows, 0:columns]
    places = np.stack(
        [(x - (columns - 1) / 2) / longer, ((rows - 1) / 2 - y) / longer, (1 - samples) * amount],
        -1,
    ).reshape(-1, 3)
    coordinates = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], -1).reshape(-1, 2)
    normals = normals_of(samples, amount).reshape(-1, 3)
    corner = (y[:-1, :-1] * columns + x[:-1, :-1]).reshape(-1)
    below, right = corner + columns, corner + 1
    faces = np.stack([corner, below, right, right, below, below + 1], 1).reshape(-1)
    file = Gltf(TOOL)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    texture = file.add("textures", source=file.picture(buffer.getvalue(), "image/png"))
    surface = {
        "baseColorTexture": {"index": texture},
        "metallicFactor": 0.0,
        "roughnessFactor": 0.9,
    }
    part = {
        "attributes": {
            "POSITION": file.array(places, ARRAY_BUFFER),
            "NORMAL": file.array(normals, ARRAY_BUFFER),
            "TEXCOORD_0": file.array(coordinates, ARRAY_BUFFER),
        },
        "indices": file.array(faces, ELEMENT_ARRAY_BUFFER),
        "material": file.add(
            "materials", name="picture", pbrMetallicRoughness=surface, doubleSided=True
        ),
    }
    mesh = file.add("meshes", name="relief", primitives=[part])
    file.root(file.add("nodes", name="relief", mesh=mesh))
    file.credit(json_packet(provenance))
    return file.content()


def relit(image: Image.Image, normals: Floats, light: LightName) -> Image.Image:
    """The picture as another light would show its surface.

    What a matte surface gets from each direction is compared with what one that faces the viewer
    gets; colours of things are taken as they are in the picture.

    Args:
        image: 8-bit RGB.
        normals: `(H, W, 3)`: x to the right, y up, z to the viewer.
        light: One of a scene's.
    """
    # In a scene, y points away from the viewer and z up.
    turned = np.stack([normals[..., 0], -normals[..., 2], normals[..., 1]], -1)
    directions, flux = _lamps(light)
    facing = np.maximum(turned.reshape(-1, 3) @ directions.T, 0) @ flux
    straight = np.maximum(np.array([0.0, -1.0, 0.0]) @ directions.T, 0) @ flux
    gain = (1 - AMBIENT) * facing / np.maximum(straight.max(), 1e-6) + AMBIENT
    color = decode_srgb(np.asarray(image, np.float32) / 255)
    shown = encode_srgb(color * gain.reshape(color.shape).astype(np.float32))
    return Image.fromarray((shown * 255 + 0.5).astype(np.uint8))


def _lamps(light: LightName) -> tuple[Floats, Floats]:
    """The environment as few lamps: unit directions `(N, 3)` and light from each `(N, 3)`."""
    radiance = environment(light)
    step = radiance.shape[0] // IRRADIANCE_ROWS
    coarse = radiance.reshape(IRRADIANCE_ROWS, step, -1, step, 3).mean((1, 3))
    rows, columns = coarse.shape[:2]
    v = (np.arange(rows) + 0.5) / rows * np.pi
    u = (np.arange(columns) + 0.5) / columns * 2 * np.pi
    ring = np.sin(v)[:, None]
    ways = np.stack(
        [ring * np.sin(u), ring * np.cos(u), np.broadcast_to(np.cos(v)[:, None], coarse.shape[:2])],
        -1,
    )
    return ways.reshape(-1, 3), (coarse * ring[..., None]).reshape(-1, 3)
