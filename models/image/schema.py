"""What the image capability takes and gives: the contract of its route and its workflow step."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from models.core.artifacts import Asset
from models.core.capability import Value
from models.image.shapes import ShapeName

MAX_PROMPT_CHARACTERS = 1000
MAX_IMAGES = 4
MAX_OBJECTS = 8
MIN_SIDE_PX, MAX_SIDE_PX = 64, 2048
MAX_SEED = 2**31
MAX_STEPS, MAX_ADAPTERS = 150, 4
DEFAULT_STEPS = 30
MAX_BASE64_CHARACTERS = 32 * 2**20

Hex = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$", description="sRGB colour, `#rrggbb`")]
Unit = Annotated[float, Field(ge=0, le=1)]
Format = Literal["png", "jpeg", "ultrahdr", "avif", "avif-hdr", "exr", "glb", "mp4"]
StyleName = Literal[
    "photo", "studio", "clay", "noir", "golden-hour", "moonlight", "pastel", "vivid", "toy",
    "porcelain", "gilded", "crystal", "vintage",
]  # fmt: skip
BackendName = Literal["scene", "diffusers", "stylegan3", "openai"]
BackendChoice = Literal["auto", "scene", "diffusers", "stylegan3", "openai"]
ModelName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$", max_length=200),
]
SchedulerName = Literal["ddim", "euler", "euler-a", "dpm++2m", "dpm++2m-karras", "unipc", "heun"]
Quality = Literal["draft", "standard", "high"]
LightName = Literal["sun", "sky", "studio", "sunset", "night"]


class Material(Value):
    """Surface parameters of the metallic-roughness model (Burley 2012), each in 0-1."""

    roughness: Unit = 0.5
    metallic: Unit = 0.0
    specular: Unit = 0.5
    clearcoat: Unit = 0.0
    transmission: Unit = 0.0


class SceneObject(Value):
    """One object: z is up, x to the right, y away from the viewer; lengths in metres."""

    shape: ShapeName
    color: Hex
    material: Material = Material()
    size_m: float = Field(0.5, ge=0.05, le=2, description="scale of the shape's proportions")
    position: tuple[Annotated[float, Field(ge=-6, le=6)], Annotated[float, Field(ge=-6, le=6)]] = (
        Field((0.0, 0.0), description="x and y of the axis")
    )
    yaw_deg: float = Field(0.0, ge=-360, le=360, description="turn about z, counter-clockwise")
    on: int | None = Field(None, ge=0, description="index of the object that this one rests on")


class Ground(Value):
    """The plane that everything stands on."""

    color: Hex = "#b0aca6"
    roughness: Unit = 0.6


class Camera(Value):
    """Where the picture is taken from; the distance follows from the framing."""

    azimuth_deg: float = Field(0.0, ge=-180, le=180, description="0 looks along +y")
    elevation_deg: float = Field(22.0, ge=2, le=85)
    framing: float = Field(1.0, ge=0.5, le=4, description="1 fills the frame; 2 is twice as far")
    fov_deg: float = Field(30.0, ge=10, le=90)


class Scene(Value):
    """What is drawn. A scene from a result can be edited and sent back."""

    objects: tuple[SceneObject, ...] = Field(min_length=1, max_length=MAX_OBJECTS)
    ground: Ground = Ground()
    light: LightName = "sky"
    camera: Camera = Camera()

    @model_validator(mode="after")
    def _supports_exist_and_do_not_circle(self) -> "Scene":
        for index, thing in enumerate(self.objects):
            seen, below = {index}, thing.on
            while below is not None:
                if below >= len(self.objects):
                    raise ValueError(f"object {index} rests on object {below}, which is not there")
                if below in seen:
                    raise ValueError(f"object {index} rests on itself")
                seen.add(below)
                below = self.objects[below].on
        return self


class Motion(Value):
    """What moves in a film, or in an animated GLB; the end meets the beginning."""

    kind: Literal["turntable", "light", "objects"] = Field(
        "turntable", description="everything turns, the light wanders, or each object turns"
    )
    seconds: float = Field(4.0, ge=0.5, le=20)
    fps: int = Field(24, ge=4, le=60)

    @property
    def frames(self) -> int:
        """Number of frames of a film."""
        return max(2, round(self.seconds * self.fps))


class MappedWord(Value):
    """A word outside the vocabulary and the known one that was used for it."""

    word: str
    used: str
    similarity: float


class SourceImage(Value):
    """A picture to start from: an asset of the caller's, or the file itself."""

    asset_id: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    base64: str | None = Field(None, max_length=MAX_BASE64_CHARACTERS, repr=False)

    @model_validator(mode="after")
    def _one_of_both(self) -> "SourceImage":
        if (self.asset_id is None) == (self.base64 is None):
            raise ValueError("give either asset_id or base64")
        return self


class Adapter(Value):
    """A LoRA to add to the model's weights, for this request alone."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] = Field(
        description="of an installed adapter, or the asset id of a fine-tune"
    )
    weight: float = Field(1.0, ge=-4, le=4)


class ImageRequest(Value):
    """Ask for one to four pictures of a prompt, or of a scene."""

    prompt: str = Field(
        "",
        max_length=MAX_PROMPT_CHARACTERS,
        examples=["a chrome teapot on a wooden table next to two red apples"],
    )
    scene: Scene | None = Field(None, description="drawn instead of the prompt where given")
    style: StyleName = Field("photo", description="see /api/v1/image/styles")
    backend: BackendChoice = Field(
        "scene", description="kind of model; `auto` finds the one that has the `model`"
    )
    model: ModelName | None = Field(None, description="see /api/v1/image/models")
    size: str = Field("512x512", pattern=r"^\d{1,5}x\d{1,5}$", description="width x height, pixels")
    n: int = Field(1, ge=1, le=MAX_IMAGES)
    seed: int | None = Field(None, ge=0, lt=MAX_SEED, description="drawn at random if absent")
    format: Format = "png"
    quality: Quality = "standard"
    negative_prompt: str = Field("", max_length=MAX_PROMPT_CHARACTERS)
    steps: int | None = Field(None, ge=1, le=MAX_STEPS, description="30 if absent")
    guidance: float | None = Field(None, ge=0, le=30, description="5 if absent; up to 1 is off")
    scheduler: SchedulerName | None = Field(None, description="the checkpoint's own if absent")
    adapters: tuple[Adapter, ...] = Field((), max_length=MAX_ADAPTERS)
    image: SourceImage | None = Field(None, description="picture to start from")
    mask: SourceImage | None = Field(
        None,
        description="white is painted anew, black is kept; of a mask with transparency, what is so",
    )
    strength: float = Field(0.8, gt=0, le=1, description="how far to leave `image`")
    reproducible: bool = Field(
        False, description="the bytes do not depend on what else is drawn at the same time"
    )
    preview_every: int = Field(0, ge=0, le=MAX_STEPS, description="steps; 0 shows none")
    priority: int = Field(5, ge=0, le=9, description="0 goes first where room is short")
    deadline_s: float | None = Field(None, gt=0, le=3600, description="give up after")
    motion: Motion | None = Field(None, description="of a film (`mp4`) or an animated `glb`")
    environment: SourceImage | None = Field(
        None, description="panorama of light, .hdr or .exr, instead of the scene's own"
    )
    truncation: float = Field(0.7, ge=0, le=1, description="0 is the mean picture, 1 the widest")
    class_label: int | None = Field(None, ge=0, description="for generators of several classes")

    def home(self) -> str:
        """What a replica has in memory that can begin at once; "" if any replica can.

        The checkpoint, and the adapters. Who names neither is at home everywhere: only a replica
        knows which checkpoint is the first that can be used.
        """
        names = sorted(adapter.name for adapter in self.adapters)
        if names or self.backend == "diffusers":
            return " ".join([self.model or "", *names])
        return ""

    @field_validator("size")
    @classmethod
    def _size_within_limits(cls, size: str) -> str:
        width, height = (int(side) for side in size.split("x"))
        if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in (width, height)):
            raise ValueError(f"each side must be {MIN_SIDE_PX} to {MAX_SIDE_PX} pixels")
        return size

    @model_validator(mode="after")
    def _something_to_draw(self) -> "ImageRequest":
        if not self.prompt.strip() and self.scene is None and self.backend != "stylegan3":
            raise ValueError("give a prompt, or a scene")
        return self

    @model_validator(mode="after")
    def _films_move(self) -> "ImageRequest":
        if self.format == "mp4" and self.motion is None:
            raise ValueError('a film needs a motion, such as {"kind": "turntable"}')
        if self.motion is not None and self.format not in ("mp4", "glb"):
            raise ValueError("a motion needs the format mp4 or glb")
        if self.environment is not None and self.format == "glb":
            raise ValueError("a glb holds no panorama of light; viewers have their own")
        return self

    @model_validator(mode="after")
    def _scene_is_one_model(self) -> "ImageRequest":
        if self.backend == "scene" and self.model not in (None, "scene"):
            raise ValueError("the backend 'scene' has one model, 'scene'; or choose 'auto'")
        return self

    @model_validator(mode="after")
    def _mask_has_a_picture(self) -> "ImageRequest":
        if self.mask is not None and self.image is None:
            raise ValueError("a mask needs the image that it belongs to")
        return self

    def foreign_to(self, backend: BackendName) -> tuple[str, ...]:
        """Fields that were set and have no meaning for a backend, in order."""
        own = FIELDS_OF.get(backend, frozenset())
        special = frozenset().union(*FIELDS_OF.values()) - own
        return tuple(
            name
            for name, field in type(self).model_fields.items()
            if name in special and getattr(self, name) != field.get_default()
        )

    @property
    def width_px(self) -> int:
        """Width of each picture."""
        return int(self.size.split("x")[0])

    @property
    def height_px(self) -> int:
        """Height of each picture."""
        return int(self.size.split("x")[1])

    @property
    def work_class(self) -> str:
        """Requests of one class take about as long: kind of model, pixels x pictures x steps."""
        pictures = self.n * (self.motion.frames if self.motion else 1)
        amount = self.width_px * self.height_px * pictures / 1e6
        kind, unit = f"{self.backend} {self.quality}", "Mpx"
        if self.backend == "diffusers":
            kind, unit, amount = "diffusers", "Mpx steps", amount * (self.steps or DEFAULT_STEPS)
        return f"{kind}, up to {4.0 ** math.ceil(math.log(amount, 4)):g} {unit}"


FIELDS_OF: Mapping[BackendName, frozenset[str]] = {
    "scene": frozenset({"scene", "quality", "preview_every", "motion", "environment"}),
    "diffusers": frozenset(
        {
            "negative_prompt", "steps", "guidance", "scheduler", "adapters", "image", "mask",
            "strength", "reproducible", "preview_every", "priority", "deadline_s",
        }
    ),
    "stylegan3": frozenset({"truncation", "class_label", "motion"}),
    "openai": frozenset({"quality", "image", "mask", "preview_every"}),
}  # fmt: skip
"""The request's fields that only some backends know; the others are for all."""


class StyleCard(Value):
    """A look that requests may ask for."""

    name: StyleName
    description: str


class Picture(Value):
    """One picture, with all that is needed to draw it again."""

    asset: Asset
    seed: int
    scene: Scene | None = Field(None, description="what was drawn, where that is known")
    mapped: tuple[MappedWord, ...] = ()
    ignored: tuple[str, ...] = ()


class Cost(Value):
    """What a provider charges for a result, as far as it says."""

    note: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    usd: float | None = None


class ImageResult(Value):
    """The pictures, and how they came to be."""

    images: tuple[Picture, ...]
    backend: BackendName
    model: str
    style: StyleName
    weights_sha256: str | None = None
    renderer: str | None = Field(None, description="path tracer variant")
    samples_per_pixel: int | None = None
    degraded: tuple[str, ...] = Field((), description="what this machine lacks, and what that cost")
    cost: Cost | None = Field(None, description="where a provider drew")
    timings_s: dict[str, float]
