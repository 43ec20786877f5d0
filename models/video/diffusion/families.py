"""What each family of checkpoints can make.

Rates, lengths and sizes are those that their authors trained with, from the model cards of
Wan-AI/Wan2.1, Wan-AI/Wan2.2-TI2V-5B, Lightricks/LTX-Video, THUDM/CogVideoX,
guoyww/animatediff and stabilityai/stable-video-diffusion-img2vid-xt.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from models.media.size import Size

Half: TypeAlias = Literal["float16", "bfloat16"]
FamilyName: TypeAlias = Literal["wan", "ltx", "cogvideox", "animatediff", "svd"]


@dataclass(frozen=True)
class Family:
    """Checkpoints that are run alike.

    Attributes:
        name: Of the family.
        text: Class of diffusers that begins with words alone; none if it needs a picture.
        image: Class that begins with a picture; none if it cannot.
        fps: At which its clips move.
        side: Sides are multiples of it.
        stride: Frames are a multiple of it, and one more.
        most: Frames of the longest clip.
        pixels: Of the largest frame that it was trained on.
        half: What it is run in on a GPU.
    """

    name: FamilyName
    text: str | None
    image: str | None
    fps: float
    side: int
    stride: int
    most: int
    pixels: int
    half: Half = "bfloat16"

    @property
    def seconds(self) -> float:
        """Of the longest clip."""
        return self.most / self.fps

    def frames(self, seconds: float) -> int:
        """The fewest that it can make and that last so long."""
        needed = math.ceil(round(seconds * self.fps, 6))
        return math.ceil((needed - 1) / self.stride) * self.stride + 1

    def native(self, size: Size, upscale: str | int) -> Size:
        """Size of what it computes for frames of a size.

        Args:
            size: Of the frames.
            upscale: As in a request; `auto` enlarges what is beyond the sizes of its training.
        """
        factor = 1.0
        if upscale == "auto":
            factor = max(1.0, math.sqrt(size.pixels / self.pixels))
        elif upscale != "none":
            factor = float(upscale)
        return Size(self._rounded(size.width / factor), self._rounded(size.height / factor))

    def _rounded(self, side: float) -> int:
        return max(1, round(side / self.side)) * self.side


WAN: Final = Family("wan", "WanPipeline", None, 16, 16, 4, 81, 1280 * 720)
LTX: Final = Family("ltx", "LTXPipeline", "LTXImageToVideoPipeline", 24, 32, 8, 257, 1280 * 720)
COG: Final = Family("cogvideox", "CogVideoXPipeline", None, 8, 16, 4, 49, 720 * 480)
ANIMATEDIFF: Final = Family(
    "animatediff", "AnimateDiffPipeline", None, 8, 64, 1, 32, 512 * 768, "float16"
)
SVD: Final = Family(
    "svd", None, "StableVideoDiffusionPipeline", 7, 64, 1, 25, 1024 * 576, "float16"
)


def _wan(folder: Path, index: Mapping[str, Any]) -> Family:
    if not index.get("expand_timesteps"):
        return WAN
    # Wan 2.2 with 5 billion parameters: one checkpoint for both, a coarser latent grid.
    both = replace(WAN, image="WanImageToVideoPipeline", fps=24, side=32, most=121)
    return replace(both, pixels=1280 * 704)


def _wan_image(folder: Path, index: Mapping[str, Any]) -> Family:
    return replace(_wan(folder, index), text=None, image="WanImageToVideoPipeline")


def _cog(folder: Path, index: Mapping[str, Any]) -> Family:
    if _config(folder, "transformer").get("patch_size_t") is None:
        return COG
    return replace(COG, fps=16, most=81, pixels=1360 * 768)


def _cog_image(folder: Path, index: Mapping[str, Any]) -> Family:
    return replace(_cog(folder, index), text=None, image="CogVideoXImageToVideoPipeline")


def _animatediff(folder: Path, index: Mapping[str, Any]) -> Family:
    most = _config(folder, "motion_adapter").get("motion_max_seq_length")
    return replace(ANIMATEDIFF, most=most) if isinstance(most, int) else ANIMATEDIFF


def _svd(folder: Path, index: Mapping[str, Any]) -> Family:
    most = _config(folder, "unet").get("num_frames")
    return replace(SVD, most=most) if isinstance(most, int) else SVD


_READERS: Final[Mapping[str, Callable[[Path, Mapping[str, Any]], Family]]] = {
    "WanPipeline": _wan,
    "WanImageToVideoPipeline": _wan_image,
    "LTXPipeline": lambda _folder, _index: LTX,
    "LTXImageToVideoPipeline": lambda _folder, _index: LTX,
    "CogVideoXPipeline": _cog,
    "CogVideoXImageToVideoPipeline": _cog_image,
    "AnimateDiffPipeline": _animatediff,
    "StableVideoDiffusionPipeline": _svd,
}
CLASSES: Final = tuple(_READERS)


def family_of(folder: Path, index: Mapping[str, Any]) -> Family | None:
    """The family of a checkpoint by its `model_index.json`; `None` if it makes no clips here.

    Raises:
        OSError: A file of it cannot be read.
        ValueError: One is no JSON.
    """
    reader = _READERS.get(str(index.get("_class_name")))
    return None if reader is None else reader(folder, index)


def _config(folder: Path, part: str) -> Mapping[str, Any]:
    path = folder / part / "config.json"
    read: Mapping[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    return read
