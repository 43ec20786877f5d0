"""What a render gives."""

from dataclasses import dataclass

from models.image.render.colors import Pixels


@dataclass(frozen=True, eq=False)
class Rendering:
    """A traced picture, scene-linear.

    Attributes:
        color: `(H, W, 3)` light; white paper in the scene's key light is about 1.
        albedo: `(H, W, 3)` base colour; of glass, what it lets through or 0, by back end.
        normal: `(H, W, 3)` in the world; 0 where there is nothing.
        depth: `(H, W)` metres along the ray; 0 where there is nothing.
        level: Brightness of white paper in the finished picture: low at night.
        samples_per_pixel: Traced paths per pixel.
        variant: Back end that traced it.
        denoised: Whether a denoiser ran.
        timings_s: Wall-clock seconds per stage.
    """

    color: Pixels
    albedo: Pixels
    normal: Pixels
    depth: Pixels
    level: float
    samples_per_pixel: int
    variant: str
    denoised: bool
    timings_s: dict[str, float]
