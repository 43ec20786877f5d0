"""Scenes as arrays for the diffusion model, and briefs as its conditions."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.image.scene import phrases
from models.image.scene.brief import MAX_DRAWN, Brief, Wanted
from models.image.scene.lexicon import Oklab, surface_kinds
from models.image.scene.staging import Staged
from models.image.shapes import PROPORTIONS, SHAPE_NAMES

SURFACES = len(surface_kinds())
LIGHTS = len(phrases.LIGHT_NAMES)
ONE_HOT = 1.5
"""Amplitude of categorical fields, near that of the noise."""
_LAB_SCALE, _LAB_SHIFT = np.array([3.0, 8.0, 8.0]), np.array([0.6, 0.0, 0.0])
_RELATIONS = ("left", "right", "front", "behind", "on", "near", "between")
_ARRANGEMENTS = ("row", "stack", "circle")

# object: colour 3, log size 1, position 2, yaw 1, surface one-hot
CONTINUOUS = 7
OBJECT_FIELDS = CONTINUOUS + SURFACES
# stage: ground colour 3, roughness, azimuth, elevation, framing, light one-hot
STAGE_CONTINUOUS = 7
STAGE_FIELDS = STAGE_CONTINUOUS + LIGHTS

_LOOKS = 4 + (SURFACES + 1) + 2
OBJECT_CONDITIONS = len(SHAPE_NAMES) + MAX_DRAWN + _LOOKS + len(_RELATIONS) * MAX_DRAWN
STAGE_CONDITIONS = 4 + (LIGHTS + 1) + 2 + 2 + len(_ARRANGEMENTS)


class Conditions(NamedTuple):
    """Briefs of a batch: `(B, 6, OBJECT_CONDITIONS)`, `(B, STAGE_CONDITIONS)`, mask `(B, 6)`."""

    objects: Tensor
    stage: Tensor
    present: Tensor


class Fields(NamedTuple):
    """Scenes of a batch: `(B, 6, OBJECT_FIELDS)` and `(B, STAGE_FIELDS)`."""

    objects: Tensor
    stage: Tensor


def _one_hot(index: int | None, size: int) -> list[float]:
    return [1.0 if place == index else 0.0 for place in range(size)]


def _given(color: Oklab | None) -> list[float]:
    return [0.0] * 4 if color is None else [1.0, *_scaled(np.array(color))]


def _scaled(oklab: np.ndarray) -> list[float]:
    return [float(value) for value in (oklab - _LAB_SHIFT) * _LAB_SCALE]


def _about(wanted: Wanted) -> list[float]:
    surface = SURFACES if wanted.surface is None else wanted.surface
    return [
        *_one_hot(wanted.shape, len(SHAPE_NAMES)),
        *_one_hot(wanted.group, MAX_DRAWN),
        *_given(wanted.color),
        *_one_hot(surface, SURFACES + 1),
        *_one_hot(wanted.size, 2),
    ]


def conditions(briefs: list[Brief]) -> Conditions:
    """Encode briefs for the model."""
    objects = torch.zeros(len(briefs), MAX_DRAWN, OBJECT_CONDITIONS)
    stage = torch.zeros(len(briefs), STAGE_CONDITIONS)
    present = torch.zeros(len(briefs), MAX_DRAWN, dtype=torch.bool)
    related = OBJECT_CONDITIONS - len(_RELATIONS) * MAX_DRAWN
    for row, brief in enumerate(briefs):
        count = len(brief.objects)
        objects[row, :count, :related] = torch.tensor([_about(w) for w in brief.objects])
        present[row, :count] = True
        for placement in brief.placements:
            base = related + _RELATIONS.index(placement.relation) * MAX_DRAWN
            for ground in placement.grounds:
                objects[row, placement.figure, base + ground] = 1
        light = LIGHTS if brief.light is None else brief.light
        stage[row] = torch.tensor(
            [
                *_given(brief.ground_color),
                *_one_hot(light, LIGHTS + 1),
                *(float(brief.elevation == name) for name in ("above", "low")),
                *(float(brief.framing == name) for name in ("close", "wide")),
                *(float(brief.arrangement == name) for name in _ARRANGEMENTS),
            ]
        )
    return Conditions(objects, stage, present)


def encode(briefs: list[Brief], staged: list[Staged]) -> Fields:
    """Scenes as arrays of about unit variance."""
    objects = torch.zeros(len(staged), MAX_DRAWN, OBJECT_FIELDS)
    stage = torch.zeros(len(staged), STAGE_FIELDS)
    for row, (brief, scene) in enumerate(zip(briefs, staged, strict=True)):
        for at, wanted in enumerate(brief.objects):
            typical = PROPORTIONS[SHAPE_NAMES[wanted.shape]].typical_size_m
            objects[row, at] = torch.tensor(
                [
                    *_scaled(scene.colors[at]),
                    2.5 * math.log(scene.sizes_m[at] / typical),
                    *(float(v) for v in scene.positions[at] / 0.8),
                    scene.yaws_deg[at] / 30,
                    *(ONE_HOT * (v - 1 / SURFACES) for v in _one_hot(scene.surfaces[at], SURFACES)),
                ]
            )
        stage[row] = torch.tensor(
            [
                *_scaled(scene.ground),
                (scene.ground_roughness - 0.6) * 5,
                scene.azimuth_deg / 7,
                (scene.elevation_deg - 25) / 15,
                (scene.framing - 1.05) / 0.3,
                *(ONE_HOT * (v - 1 / LIGHTS) for v in _one_hot(scene.light, LIGHTS)),
            ]
        )
    return Fields(objects, stage)


def decode(brief: Brief, objects: Tensor, stage: Tensor) -> Staged:
    """Read one sampled array, `(6, OBJECT_FIELDS)` and `(STAGE_FIELDS,)`, as a scene."""
    count = len(brief.objects)
    values = objects[:count].double().numpy()
    ground = stage.double().numpy()
    typical = [PROPORTIONS[SHAPE_NAMES[w.shape]].typical_size_m for w in brief.objects]
    return Staged(
        colors=values[:, :3] / _LAB_SCALE + _LAB_SHIFT,
        surfaces=tuple(int(at) for at in values[:, CONTINUOUS:].argmax(1)),
        sizes_m=np.array(typical) * np.exp(values[:, 3] / 2.5),
        positions=values[:, 4:6] * 0.8,
        yaws_deg=values[:, 6] * 30,
        ground=ground[:3] / _LAB_SCALE + _LAB_SHIFT,
        ground_roughness=float(ground[3] / 5 + 0.6),
        light=int(ground[STAGE_CONTINUOUS:].argmax()),
        azimuth_deg=float(ground[4] * 7),
        elevation_deg=float(ground[5] * 15 + 25),
        framing=float(ground[6] * 0.3 + 1.05),
    )
