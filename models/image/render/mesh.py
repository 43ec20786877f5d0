"""Triangle meshes: plain arrays, moved, joined and given normals that keep edges crisp."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

CREASE_DEG = 38.0
WELD_DECIMALS = 6


@dataclass(frozen=True)
class Mesh:
    """A closed surface.

    Attributes:
        vertices: `(V, 3)`, z up.
        faces: `(F, 3)`, counter-clockwise seen from outside.
    """

    vertices: Floats
    faces: Ints

    def moved(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> "Mesh":
        """The mesh shifted."""
        return Mesh(self.vertices + np.array([x, y, z]), self.faces)

    def scaled(self, x: float, y: float, z: float) -> "Mesh":
        """The mesh stretched along the axes; the factors are positive."""
        return Mesh(self.vertices * np.array([x, y, z]), self.faces)

    def turned(self, axis: str, degrees: float) -> "Mesh":
        """The mesh turned counter-clockwise about an axis through the origin."""
        return Mesh(self.vertices @ rotation(axis, degrees).T, self.faces)


def rotation(axis: str, degrees: float) -> Floats:
    """`(3, 3)` matrix that turns counter-clockwise about `x`, `y` or `z`."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


def join(*meshes: Mesh) -> Mesh:
    """One mesh of several."""
    offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([m.faces + offset for m, offset in zip(meshes, offsets, strict=False)]),
    )


def outward(mesh: Mesh) -> Mesh:
    """The mesh with its faces turned outside, judged by its signed volume."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    volume = np.einsum("ij,ij->", a, np.cross(b, c))
    return mesh if volume >= 0 else Mesh(mesh.vertices, mesh.faces[:, ::-1].copy())


def face_normals(mesh: Mesh) -> tuple[Floats, Floats]:
    """Unit normals `(F, 3)` and areas `(F,)`."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    length = np.linalg.norm(cross, axis=1)
    return cross / np.maximum(length, 1e-30)[:, None], length / 2


def corner_normals(mesh: Mesh, crease_deg: float = CREASE_DEG) -> Floats:
    """Normal of every corner of every face, `(F, 3, 3)`.

    A corner averages, by area, the faces around its vertex that meet its own face at less than
    the crease angle: curves stay smooth, edges stay edges and large flats stay flat.
    """
    normals, areas = face_normals(mesh)
    _, welded = np.unique(np.round(mesh.vertices, WELD_DECIMALS), axis=0, return_inverse=True)
    vertex = welded.reshape(-1)[mesh.faces].reshape(-1)  # (3F,)
    own, other = _corners_sharing_a_vertex(vertex)
    near = np.einsum("ij,ij->i", normals[own // 3], normals[other // 3]) > np.cos(
        np.radians(crease_deg)
    )
    own, other = own[near], other[near]
    total = np.zeros((len(vertex), 3))
    weighted = normals[other // 3] * areas[other // 3, None]
    for axis in range(3):
        total[:, axis] = np.bincount(own, weighted[:, axis], minlength=len(vertex))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    fallback = np.repeat(normals, 3, axis=0)
    return np.where(length > 0, total / np.maximum(length, 1e-30), fallback).reshape(-1, 3, 3)


def _corners_sharing_a_vertex(vertex: Ints) -> tuple[Ints, Ints]:
    """All ordered pairs of corners with the same vertex, a corner with itself included."""
    order = np.argsort(vertex, kind="stable")
    counts = np.bincount(vertex)
    starts = np.cumsum(counts) - counts
    repeats = counts[vertex[order]]
    own = np.repeat(order, repeats)
    within = np.arange(len(own)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return own, order[starts[vertex[own]] + within]
