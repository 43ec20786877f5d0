"""How a field is fitted."""

from dataclasses import asdict, dataclass

from models.core.errors import InvalidInput

GROWTH = ((0.08, 0.5), (0.3, 0.75), (0.55, 1.0))
"""Share of the iterations after which the grid grows, and its share of the voxels from then on."""


@dataclass(frozen=True)
class FitSettings:
    """How a field is fitted: a seed and these give one field, whatever the number of threads.

    Attributes:
        iterations: Batches.
        voxels: On the longest side of the box, at the end.
        batch: Pixels of a batch.
        rays: Per side of a pixel; more than one where pixels are larger than voxels.
        rate: Of learning, for densities; a quarter of it for features.
        last_rate: Share of the rate that is left at the end.
        network_rate: Of learning, for the network; a tenth of it at the end.
        opacity: Weight of the masks beside the colours.
        prune_every: Iterations.
        prune_from: Share of the iterations after which voxels that nobody sees are emptied.
        emptiest: Opacity of one step below which a voxel is emptied.
        dimmest: Weight of a sample, in 1/254, below which nobody sees a voxel.
        shards: Parts of a batch whose gradients are added in order: threads that can work at
            once, each with a gradient of the whole grid.
        threads: 0 for one per core.
        keep_every: Iterations between two checkpoints.
        seed: Of all random numbers.
    """

    iterations: int = 1000
    voxels: int = 128
    batch: int = 2048
    rays: int = 1
    rate: float = 0.3
    last_rate: float = 0.05
    network_rate: float = 3e-3
    opacity: float = 0.1
    prune_every: int = 100
    prune_from: float = 0.3
    emptiest: float = 5e-3
    dimmest: int = 3
    shards: int = 2
    threads: int = 0
    keep_every: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        limits = (
            ("iterations", 1, 100_000), ("voxels", 16, 384), ("batch", 16, 65_536),
            ("rays", 1, 4), ("shards", 1, 32), ("keep_every", 1, 100_000),
        )  # fmt: skip
        for name, low, high in limits:
            if not low <= getattr(self, name) <= high:
                raise InvalidInput(f"{name} must be {low} to {high}")

    def growth(self) -> dict[int, int]:
        """Voxels of the longest side from an iteration on."""
        return {int(at * self.iterations): int(v * self.voxels) for at, v in GROWTH if at > 0}

    def identity(self) -> dict[str, float]:
        """What the field depends on."""
        neutral = {"threads", "keep_every"}
        return {name: value for name, value in asdict(self).items() if name not in neutral}
