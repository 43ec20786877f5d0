"""A picture with its depth in a request: which files, and how distances are to be read."""

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from models.core.capability import Value
from models.image.schema import SourceImage

MAX_METRES: Final = 1000.0
NO_DEPTH: Final = (
    "the picture has no depth, without which it cannot be filmed: give `depth`, a PNG of 16 bits "
    "such as /api/v1/image/geometry makes, or an EXR; or film a picture that was drawn with "
    '`"format": "exr"`, which holds its own; or set options.video.depth to the folder of an '
    "estimator"
)


class Depth(SourceImage):
    """How far everything in a picture is: a PNG of 16 bits, or an EXR in metres."""

    near_m: float | None = Field(
        None, gt=0, le=MAX_METRES, description="of a PNG: distance of its nearest value"
    )
    far_m: float | None = Field(None, gt=0, le=MAX_METRES, description="and of its farthest")
    spacing: Literal["linear", "inverse"] = Field(
        "linear",
        description="of a PNG. linear: 0 is near_m, 65535 far_m, even in distance, as "
        "/api/v1/image/geometry writes; inverse: 65535 is near_m, even in 1 / distance",
    )

    @model_validator(mode="after")
    def _near_is_nearer(self) -> Self:
        if (self.near_m is None) != (self.far_m is None):
            raise ValueError("give near_m and far_m, or neither")
        if self.near_m is not None and self.far_m is not None and self.near_m >= self.far_m:
            raise ValueError("near_m must be less than far_m")
        return self


class DeepPicture(Value):
    """A picture whose depth is known: seen from nearby, it is filmed in layers."""

    image: SourceImage = Field(description="PNG, JPEG, WebP or AVIF; or an EXR of /generate/image")
    depth: Depth | None = Field(None, description="absent: the image's own, or estimated")
    fov_deg: float = Field(
        40, ge=5, le=120, description="angle of view of the shorter side, as of a scene's camera"
    )


class Layered(Value):
    """How a picture was filmed."""

    layers: int = Field(description="surfaces one behind another")
    resolution: tuple[int, int] = Field(description="of the picture as it was used")
    depth: str = Field(description="where it is from: given, own, or estimated by NAME")
    distances_m: tuple[float, float] = Field(description="of what is nearest and farthest")
    motion: float = Field(description="share of the asked motion of the camera that was flown")
    disoccluded: float = Field(
        description="share of the pixels that the picture does not show, in the worst frame"
    )
