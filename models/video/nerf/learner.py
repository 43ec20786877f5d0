"""A field while it is being fitted: batches, gradients, growth, and checkpoints of all that."""

import hashlib
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.crew import Crew
from models.core.errors import InvalidInput
from models.video.nerf.adam import Adam
from models.video.nerf.arrays import (
    FEATURES,
    Bytes,
    Floats,
    Gradients,
    Network,
    fresh_network,
)
from models.video.nerf.field import VoxelField
from models.video.nerf.hull import box_of, cells_in_hull
from models.video.nerf.settings import FitSettings
from models.video.nerf.views import Views
from models.video.nerf.volume import cells_around, filled_cells, grown, leaps, new_grid

SKY_SHAPE = (32, 64, 3)
NEAR_OF_BOX = 1e-3
LEAP_CELLS = 24
PARTS = 8
LINES = 32
"""Numbers before and behind; processors fetch lines of 64 bytes in pairs."""
Tensors = dict[str, NDArray[np.generic]]


class Learner:
    """Everything that changes during a fit.

    Attributes:
        iteration: Batches learnt so far.
        loss: Mean squared error of colour in the last batch.
    """

    def __init__(self, views: Views, settings: FitSettings, crew: Crew) -> None:
        self._views, self._settings, self._crew = views, settings, crew
        self._box = box_of(views)
        self._pinholes = views.pinholes()
        self._near_m = np.float32(NEAR_OF_BOX * self._box.extent.max())
        self._network = fresh_network(settings.seed)
        self._sky, self._learns_sky = sky_of(views)
        self._adam = Adam([*self._network, self._sky] if self._learns_sky else [*self._network])
        self.iteration, self.loss = 0, 1.0
        self._grid = new_grid(self._box, settings.voxels // 4)
        self._renew()
        self._hull = cells_in_hull(views, self._box, self._cells())
        self._empty(self._hull)
        self._pool = self._pixels_that_count()
        self._order, self._epoch = self._pool, -1

    def step(self) -> None:
        """Learn from one batch, after growing or pruning if it is time."""
        from models.video.nerf.learn import adam_shard, learn_shard  # noqa: PLC0415  # compiles

        settings, number = self._settings, self.iteration
        self._grow_or_prune()
        batch = self._batch(number)
        for shard in self._shards:
            for part in (*shard.network, shard.sky, shard.loss):
                part[...] = 0
        rates = np.array([0 if self._views.opaque else settings.opacity, self._near_m], np.float32)

        def learn(shard: int) -> None:
            learn_shard(
                batch, shard, settings.shards, number, self._pinholes, self._grid,
                self._network, self._sky, rates, settings.rays, self._shards[shard],
            )  # fmt: skip

        self._crew(learn, settings.shards)
        rate = np.float32(settings.rate * settings.last_rate ** (number / settings.iterations))
        edges = np.linspace(0, len(self._grid.density), PARTS + 1).astype(int)

        def improve(part: int) -> None:
            adam_shard(
                edges[part], edges[part + 1], self._grid, self._sums, self._moments,
                self._visible, rate,
            )  # fmt: skip

        self._crew(improve, PARTS)
        gradients = [
            sum(parts[1:], parts[0].copy())
            for parts in zip(*([*shard.network, shard.sky] for shard in self._shards), strict=True)
        ]
        fade = 0.1 ** (number / settings.iterations)
        self._adam.step(gradients[: len(self._adam.values)], settings.network_rate * fade)
        self.loss = float(sum(s.loss[0] for s in self._shards)) / (3 * len(batch))
        self.iteration += 1

    def field(self, threads: int) -> VoxelField:
        """The field so far."""
        return VoxelField(self._grid, self._network, self._sky, float(self._near_m), threads)

    def checkpoint(self) -> Tensors:
        """Everything that the next batches depend on."""
        names = ("mean_density", "square_density", "mean_feature", "square_feature")
        return {
            **self.field(1).tensors(),
            **dict(zip(names, self._moments, strict=True)),
            **self._adam.tensors(),
            "visible": self._visible,
            "iteration": np.array([self.iteration], np.int64),
            "key": np.frombuffer(self.key(), np.uint8),
        }

    def restore(self, tensors: Tensors) -> None:
        """Go on from a checkpoint.

        Raises:
            InvalidInput: It is of other views or settings.
        """
        if tensors["key"].tobytes() != self.key():
            raise InvalidInput("this checkpoint is of other views or settings; start again")
        field = VoxelField.of(tensors)
        self._grid = field.grid
        self._renew()
        self._hull = cells_in_hull(self._views, self._box, self._cells())
        for part, value in zip(
            (*self._network, self._sky), (*field.network, field.sky), strict=True
        ):
            part[...] = value
        names = ("mean_density", "square_density", "mean_feature", "square_feature")
        for moment, name in zip(self._moments, names, strict=True):
            moment[...] = tensors[name]
        self._visible[...] = tensors["visible"]
        self._adam.restore(tensors)
        self.iteration = int(np.asarray(tensors["iteration"])[0])

    def key(self) -> bytes:
        """Digest of what the fit depends on: the views and the settings."""
        digest = hashlib.sha256(json.dumps(self._settings.identity(), sort_keys=True).encode())
        for part in (*self._pinholes, self._sky if not self._learns_sky else np.zeros(0)):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.digest()

    def _cells(self) -> tuple[int, int, int]:
        a, b, c = (int(n) - 1 for n in self._grid.shape)
        return a, b, c

    def _renew(self) -> None:
        """Room for gradients and moments of the grid's size."""
        count, shards = len(self._grid.density), self._settings.shards
        self._moments = tuple(
            np.zeros(shape, np.float32)
            for shape in ((count,), (count,), (count, FEATURES), (count, FEATURES))
        )
        density = np.zeros((shards, count), np.float32)
        feature = np.zeros((shards, count, FEATURES), np.float32)
        seen = np.zeros((shards, count), np.uint8)
        self._sums = density, feature, seen
        self._shards = tuple(
            Gradients(
                density[n], feature[n], seen[n],
                Network(*(lonely(part.shape, np.float32) for part in self._network)),
                lonely(self._sky.shape, np.float32), lonely((3,), np.float64),
            )
            for n in range(shards)
        )  # fmt: skip
        self._visible: Bytes = np.zeros(count, np.uint8)

    def _grow_or_prune(self) -> None:
        settings, number = self._settings, self.iteration
        voxels = settings.growth().get(number)
        if voxels is not None:
            self._grid = grown(self._grid, self._box, voxels)
            self._renew()
            self._hull = cells_in_hull(self._views, self._box, self._cells())
            self._empty(self._hull & filled_cells(self._grid, settings.emptiest))
        elif number and number % settings.prune_every == 0:
            self._prune()

    def _prune(self) -> None:
        """Empty the cells outside the hull, those of almost no density, and those never seen."""
        filled = self._hull & filled_cells(self._grid, self._settings.emptiest)
        if self.iteration > self._settings.prune_from * self._settings.iterations:
            seen = self._visible > self._settings.dimmest
            filled &= cells_around(seen.reshape(tuple(self._grid.shape)))
            self._visible[:] = 0
        self._empty(filled)

    def _empty(self, filled: NDArray[np.bool_]) -> None:
        self._grid.leap[...] = leaps(filled, LEAP_CELLS)

    def _batch(self, number: int) -> NDArray[np.int64]:
        """Pixels of a batch: every one comes once before any comes again."""
        size = min(self._settings.batch, len(self._pool))
        batches = len(self._pool) // size
        epoch, at = divmod(number, batches)
        if self._epoch != epoch:
            random = np.random.default_rng((self._settings.seed, epoch))
            self._order, self._epoch = random.permutation(self._pool), epoch
        return self._order[at * size : (at + 1) * size]

    def _pixels_that_count(self) -> NDArray[np.int64]:
        """Pixels whose rays can meet something; all of them if the sky has to be learnt."""
        from models.video.nerf.learn import hits_shard  # noqa: PLC0415  # compiles on first use

        count = self._pinholes.pixels[..., 0].size
        if self._learns_sky:
            return np.arange(count)
        found = np.zeros(count, np.bool_)
        edges = np.linspace(0, count, PARTS + 1).astype(int)

        def look(part: int) -> None:
            hits_shard(
                edges[part], edges[part + 1], self._pinholes, self._grid, self._near_m, found
            )

        self._crew(look, PARTS)
        if not found.any():
            raise InvalidInput("no view sees anything of the scene; are the poses right?")
        return np.flatnonzero(found)


def lonely(shape: tuple[int, ...], dtype: type[np.floating]) -> NDArray[Any]:
    """Zeros that share no cache line with other arrays: threads that write side by side wait."""
    count = math.prod(shape)
    room = np.zeros(count + 2 * LINES, dtype)
    return room[LINES : LINES + count].reshape(shape)


def sky_of(views: Views) -> tuple[Floats, bool]:
    """What lies behind the voxels, and whether it has to be learnt."""
    if views.sky is not None:
        return np.array(views.sky, np.float32), False
    if views.opaque:
        return np.full(SKY_SHAPE, 0.5, np.float32), True
    return np.ones((1, 1, 3), np.float32), False
