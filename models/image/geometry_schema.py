"""What the geometry of a picture takes and gives: the contract of its route and workflow step."""

from typing import Literal

from pydantic import Field

from models.core.artifacts import Asset
from models.core.capability import Value
from models.image.schema import MAX_SEED, LightName, SourceImage

Output = Literal["depth", "normals", "relief", "relit"]


class GeometryRequest(Value):
    """Estimate the shape of what a photograph, or any picture, shows."""

    image: SourceImage
    outputs: tuple[Output, ...] = Field(
        ("depth", "normals"), min_length=1, max_length=4, description="files to make"
    )
    light: LightName = Field("sunset", description="of `relit`; see the lights of a scene")
    steps: int = Field(4, ge=1, le=50, description="of each estimate")
    seed: int = Field(0, ge=0, lt=MAX_SEED)
    relief_depth: float = Field(
        0.3, gt=0, le=2, description="of `relief`, over the longer side of the picture"
    )


class GeometryResult(Value):
    """The files that were asked for."""

    depth: Asset | None = Field(None, description="PNG of 16 bits: 0 is near, 65535 far")
    normals: Asset | None = Field(None, description="PNG: x to the right, y up, z to the viewer")
    relief: Asset | None = Field(None, description="GLB of the surface, with the picture on it")
    relit: Asset | None = Field(None, description="PNG of the picture in another light")
    models: tuple[str, ...]
    degraded: tuple[str, ...] = ()
    timings_s: dict[str, float]
