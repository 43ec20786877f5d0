"""What the video capability takes and gives: the contract of its routes and workflow steps."""

from fractions import Fraction
from typing import Annotated, Final, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from models.core.artifacts import Asset
from models.core.capability import Value
from models.image.schema import (
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    ModelName,
    Quality,
    Scene,
    SourceImage,
    StyleName,
)
from models.media.formats import (
    CONTAINERS,
    HDR_CODECS,
    CodecName,
    Container,
    Range,
    UpscalerName,
)
from models.media.size import Size
from models.video.path import MAX_DURATION_S, Camera, CameraPath, NerfstudioPath, Preset
from models.video.photos import Photos
from models.video.picture import DeepPicture, Layered

MIN_SIDE_PX: Final = 64
MAX_SIDE_PX: Final = 8192
MAX_PIXELS: Final = 8192 * 4320
MAX_VP9_PIXELS: Final = 5120 * 2880
"""Its encoder takes 2.4 GB at 8K, several times what the others take."""
MAX_FRAMES: Final = 3600
DEFAULT_FPS: Final = 24.0
DEFAULT_DURATION_S: Final = 3.0

Side = Annotated[int, Field(ge=MIN_SIDE_PX, le=MAX_SIDE_PX, multiple_of=2)]
EngineName: TypeAlias = Literal["nerf", "path-trace", "layers"]
GeneratorName: TypeAlias = Literal["diffusion", "runway"]
"""Engines that make up what is seen: they film no scene, and know of no camera."""
Output: TypeAlias = Literal["rgb", "depth", "alpha"]
Upscale: TypeAlias = Literal["auto", "none", 2, 4]
Interpolate: TypeAlias = Literal["auto", "none", "motion"]


class VideoRequest(Value):
    """Ask for a flight through the scene of a prompt, or through a scene."""

    prompt: str = Field(
        "",
        max_length=MAX_PROMPT_CHARACTERS,
        examples=["orbit around a chrome teapot next to two red apples"],
    )
    scene: Scene | None = Field(None, description="filmed instead of the prompt where given")
    photos: Photos | None = Field(
        None, description="photographs with poses, filmed instead of a scene by engine nerf"
    )
    picture: DeepPicture | None = Field(
        None, description="a picture with depth, filmed from nearby by engine layers"
    )
    style: StyleName = Field("photo", description="see /api/v1/image/styles")
    engine: Literal["auto"] | EngineName | GeneratorName = Field(
        "auto", description="see /api/v1/video/engines"
    )
    model: ModelName | None = Field(
        None, description="of engine diffusion or runway, see /api/v1/video/models"
    )
    image: SourceImage | None = Field(
        None, description="first frame, for engine diffusion or runway"
    )
    negative_prompt: str = Field(
        "", max_length=MAX_PROMPT_CHARACTERS, description="of engine diffusion"
    )
    steps: int | None = Field(None, ge=1, le=150, description="of engine diffusion")
    guidance: float | None = Field(None, ge=0, le=30, description="of engine diffusion")
    quality: Quality = "draft"
    width: Side = 640
    height: Side = 360
    fps: float | None = Field(None, ge=1, le=120, description="24, or the path's")
    duration_s: float | None = Field(
        None, ge=0.04, le=MAX_DURATION_S, description="3, or the path's"
    )
    seed: int | None = Field(None, ge=0, lt=MAX_SEED, description="drawn at random if absent")
    camera: Camera | None = Field(
        None, description="a path, a preset, or nerfstudio's camera_path.json; else by the prompt"
    )
    output: Output = Field("rgb", description="depth: near is white; alpha: objects are white")
    container: Container | None = Field(None, description="the codec's usual one if absent")
    codec: CodecName = "h264"
    hdr: Range = "none"
    upscaler: UpscalerName = Field(
        "lanczos", description="what enlarges: a filter, or a network that sharpens; output rgb"
    )
    upscale: Upscale = Field(
        "auto", description="render smaller and enlarge: only where needed, never, or by a factor"
    )
    interpolate: Interpolate = Field(
        "auto",
        description="of engine diffusion or runway, where fps is not the model's: motion makes "
        "pictures between the model's own, none shows those longer; auto is motion, and says nothing "
        "of engines that render every frame",
    )

    proxy: Literal["auto", "always", "never"] = Field(
        "auto", description="a small film first: where the whole takes long, always, never"
    )
    parallel: int | None = Field(
        None,
        ge=1,
        le=16,
        description="replicas that film it at once, at most; as many as there are",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._engine_knows_the_fields()
        if self.width * self.height > MAX_PIXELS:
            raise ValueError(f"a frame may have {MAX_PIXELS:,} pixels, 8K")
        if self.codec == "vp9" and self.width * self.height > MAX_VP9_PIXELS:
            raise ValueError("vp9 goes up to 5120 x 2880: beyond, ask for av1, hevc or h264")
        if self.container is not None and self.container not in CONTAINERS[self.codec]:
            raise ValueError(f"{self.codec} lies in {' or '.join(CONTAINERS[self.codec])}")
        if self.hdr == "hdr10" and self.codec not in HDR_CODECS:
            raise ValueError("hdr10 needs codec hevc or av1")
        if self.hdr == "hdr10" and (self.output != "rgb" or self.engine == "nerf"):
            raise ValueError("hdr10 is of scene-linear light: output rgb by engine path-trace")
        if self.upscaler == "learned" and (self.output != "rgb" or self.upscale == "none"):
            raise ValueError("upscaler learned enlarges pictures: output rgb, upscale auto, 2 or 4")
        if self.duration_s and isinstance(self.camera, CameraPath | NerfstudioPath):
            raise ValueError("a path has its own duration: leave duration_s out")
        if isinstance(self.camera, CameraPath | Preset) and self.camera.stereo != "none":
            self._stereo_is_possible(self.camera)
        if self.frames > MAX_FRAMES:
            raise ValueError(f"a clip may have {MAX_FRAMES} frames, this has {self.frames}")
        return self

    def _engine_knows_the_fields(self) -> None:
        if self.generator is not None:
            self._can_be_generated(self.generator)
        elif given := self._generated_fields():
            raise ValueError(f"{given[0]} needs engine diffusion or runway")
        elif self.picture is not None:
            self._can_be_layered()
        elif self.engine == "layers":
            raise ValueError("engine layers needs a picture with depth")
        elif self.photos is not None:
            self._can_be_fitted()
        elif not self.prompt.strip() and self.scene is None:
            raise ValueError("give a prompt, or a scene")

    def _can_be_fitted(self) -> None:
        if self.engine not in ("auto", "nerf"):
            raise ValueError("photos need engine nerf")
        if self.scene is not None or self.style != "photo":
            raise ValueError("photos are filmed as they are: leave out scene and style")
        if self.hdr != "none":
            raise ValueError("photos hold no scene-linear light for HDR10")

    def _can_be_layered(self) -> None:
        if self.engine not in ("auto", "layers"):
            raise ValueError("a picture with depth needs engine layers")
        if self.scene is not None or self.photos is not None or self.style != "photo":
            raise ValueError("a picture is filmed as it is: leave out scene, photos and style")
        if self.hdr != "none" or self.output == "alpha":
            raise ValueError(
                "layers of a picture have neither scene-linear light for HDR10 nor objects for alpha"
            )
        projection = getattr(self.camera, "projection", getattr(self.camera, "camera_type", ""))
        if projection == "equirectangular":
            raise ValueError("a picture does not show what is beside and behind its camera")
        keys = self.camera.keyframes if isinstance(self.camera, CameraPath) else ()
        if any(key.aperture_mm > 0 and key.focus_m is not None for key in keys):
            raise ValueError("layers of a picture are seen without the blur of a lens")

    def _can_be_generated(self, engine: GeneratorName) -> None:
        if not self.prompt.strip() and self.image is None:
            raise ValueError("give a prompt, or an image")
        given = (self.scene, self.photos, self.picture, self.camera)
        if any(one is not None for one in given):
            raise ValueError(
                f"engine {engine} films no scene: leave out scene, photos and camera, and picture"
            )
        if self.style != "photo":
            raise ValueError(f"engine {engine} films no scene: leave out style")
        if self.output != "rgb" or self.hdr != "none":
            raise ValueError(f"engine {engine} knows neither depth, alpha nor scene-linear light")
        if self.proxy == "always":
            raise ValueError(f"engine {engine} makes all pictures at once: there is no proxy")
        if engine == "runway" and (self.negative_prompt or self.steps or self.guidance is not None):
            raise ValueError("negative_prompt, steps and guidance need engine diffusion")

    def _generated_fields(self) -> list[str]:
        """Fields that were given and mean nothing to an engine that films scenes."""
        names = ("model", "image", "negative_prompt", "steps", "guidance")
        given = [name for name in names if getattr(self, name) not in (None, "")]
        return given + (["interpolate"] if self.interpolate == "motion" else [])

    def _stereo_is_possible(self, camera: CameraPath | Preset) -> None:
        if camera.projection != "perspective":
            raise ValueError("stereo needs projection perspective")
        if self.width % 4 or self.height % 4:
            raise ValueError("stereo needs a width and a height divisible by 4")

    @property
    def generator(self) -> GeneratorName | None:
        """The engine, if it is one that films no scene."""
        return self.engine if self.engine in ("diffusion", "runway") else None

    @property
    def size(self) -> Size:
        """Of the frames."""
        return Size(self.width, self.height)

    @property
    def frames_per_s(self) -> float:
        """As asked, or as the path has it."""
        if self.fps is not None:
            return self.fps
        return getattr(self.camera, "fps", DEFAULT_FPS)

    @property
    def rate(self) -> Fraction:
        """Frames per second, those of television exact."""
        return exact_rate(self.frames_per_s)

    @property
    def seconds(self) -> float:
        """As asked, or as the path has it."""
        if isinstance(self.camera, CameraPath):
            return self.camera.duration_s
        if isinstance(self.camera, NerfstudioPath):
            return self.camera.seconds
        return self.duration_s or DEFAULT_DURATION_S

    @property
    def frames(self) -> int:
        """How many there are."""
        return max(1, round(self.seconds * self.frames_per_s))

    @property
    def file(self) -> Container:
        """The container."""
        return self.container or CONTAINERS[self.codec][0]


def exact_rate(fps: float) -> Fraction:
    """The fraction behind a rounded rate: 29.97 is 30000/1001."""
    television = Fraction(round(fps * 1.001) * 1000, 1001)
    return (
        television
        if abs(fps - television) < 0.005 and fps % 1
        else Fraction(fps).limit_denominator(1000)
    )


class Estimate(Value):
    """What a clip will take, before anything is computed."""

    engine: EngineName | GeneratorName
    why: str = Field(description="why this engine")
    frames: int
    native_resolution: tuple[int, int] | None = Field(
        description="null where the model decides when it is loaded"
    )
    compute_s: float | None = Field(
        description="seconds of one core; null where a model or a provider decides"
    )
    interpolation_s: float = Field(
        0.0,
        description="seconds of one core, at most, for pictures between a model's own; on top of "
        "what a model or a provider takes",
    )
    time_s: float | None = Field(description="on this machine, if nothing else runs")
    first_segment_s: float | None = Field(description="until something can be played")
    proxy_s: float | None = Field(None, description="seconds of one core for the small film first")
    disk_bytes: int = Field(description="while it is made")
    cost_usd: float | None = Field(0.0, description="paid to others; null where they decide")


class Enlargement(Value):
    """How frames became larger than what was computed."""

    factor: float
    method: UpscalerName = Field(
        "lanczos", description="of luma; colour is always enlarged by lanczos"
    )


class Interpolation(Value):
    """Pictures made between a model's own by following what moves, both ways."""

    method: Literal["motion"] = "motion"
    frames: int = Field(description="how many of the clip's were made")
    cuts: tuple[int, ...] = Field(
        (),
        description="pictures of the model that show too little of the one before (another scene, "
        "a flash): none was made between",
    )
    followed: float | None = Field(
        None,
        description="mean share of pictures found again in their neighbours; null where all are cuts",
    )


class Views(Value):
    """What a field was fitted to."""

    count: int
    resolution: tuple[int, int]


class VideoAssets(Value):
    """The files of a clip."""

    video: Asset
    playlist: Asset | None = Field(None, description="HLS; absent where players know no such codec")
    poster: Asset
    sprite_sheet: Asset
    camera_path: Asset | None = Field(
        None, description="accepted as `camera` again; absent where there is no camera"
    )
    camera_path_nerfstudio: Asset | None = None
    path_chart: Asset | None = Field(None, description="the path from above and from the side")
    original: Asset | None = Field(None, description="the provider's own file, of engine runway")
    proxy: Asset | None = Field(None, description="the small film that was made first")
    proxy_playlist: Asset | None = None


class Sprites(Value):
    """How the thumbnails of the sprite sheet lie."""

    columns: int
    width: int
    height: int
    times_s: tuple[float, ...]


class VideoResult(Value):
    """The clip, and how it came to be."""

    assets: VideoAssets
    engine: EngineName | GeneratorName
    why: str
    source: str = Field("scene", description="or photos, picture, diffusion:MODEL, runway:MODEL")
    geometry: Literal["multi-view", "exact", "layers", "none"] = Field(
        description="multi-view: fitted to pictures; layers: of one picture, true near its camera; "
        "none: nothing keeps what is seen consistent"
    )
    frames: int
    fps: float
    duration_s: float
    seed: int
    codec: CodecName
    encoder: str
    native_resolution: tuple[int, int] = Field(description="pixels that the engine computed")
    upscale: Enlargement | None = None
    views: Views | None = None
    held_out_psnr_db: float | None = Field(None, description="on views kept from the fit")
    layered: Layered | None = Field(None, description="of a picture with depth")
    depth_range_m: tuple[float, float] | None = Field(None, description="white and black of depth")
    native_fps: float | None = Field(
        None, description="at which a model moves; see `interpolation` for how `fps` was reached"
    )
    interpolation: Interpolation | None = Field(
        None, description="null where every frame is a picture of the model"
    )
    credits: float | None = Field(None, description="charged by the provider")
    sprites: Sprites
    scene: Scene | None = None
    resumed_at_frame: int = Field(0, description="what an earlier attempt had finished")
    replicas: int = Field(1, description="that filmed it")
    degraded: tuple[str, ...] = ()
    timings_s: dict[str, float]


class PathRequest(Value):
    """Ask for the path and the estimate of a clip, without filming it."""

    video: VideoRequest


class PathResult(Value):
    """A path before anything is filmed."""

    path: CameraPath
    chart: Asset = Field(description="the path from above and from the side")
    scene: Scene | None = Field(description="null where photos or a picture are filmed")
    estimate: Estimate
