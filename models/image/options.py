"""The capability's settings, `args.options.image` of the configuration."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from models.core.value import Value
from models.image.schema import ModelName


class OpenAIOptions(Value):
    """The provider behind the backend `openai`, or another one that answers like it.

    Attributes:
        base_url: Where its API begins.
        models: Names that requests may choose from; the first is the usual one.
        timeout_s: Longest wait for a picture.
        usd_per_million_tokens: What the provider charges for input and output tokens, to tell the
            cost of a result.
    """

    base_url: Annotated[str, Field(pattern=r"^https?://[^?#@]+$")] = "https://api.openai.com/v1"
    models: tuple[ModelName, ...] = Field(("gpt-image-2.5-flare",), min_length=1)
    timeout_s: float = Field(180.0, gt=0, le=900)
    usd_per_million_tokens: tuple[float, float] | None = None


SDXL = "stabilityai/stable-diffusion-xl-base-1.0"

HubId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$")]


class DiffusersOptions(Value):
    """Checkpoints of diffusion models and how they are run.

    Attributes:
        checkpoints: Folder that holds a folder in diffusers' format for each checkpoint.
        hub: Checkpoints of the Hugging Face hub that may be asked for.
        download: Whether those may be fetched; else they must lie in the hub's cache.
        adapters: Folder of LoRA adapters, `NAME.safetensors`.
        resident: Checkpoints kept in memory.
        dtype: `auto` is half precision on a GPU, single on a processor.
        attention: Torch's own, or that of xformers where its kernels are.
        quantize: Weights of the denoising network in 8 bits; needs torchao.
        compile: Compile the network's repeated blocks; the first pictures take minutes.
        max_rows: Most rows of one forward, whatever memory allows.
        reproducible_rows: Rows of every forward, on a processor, of requests that ask for
            `reproducible`; on a GPU each has its own.
        adapter_slots: Adapters kept in memory.
    """

    checkpoints: Path | None = None
    hub: tuple[HubId, ...] = (SDXL,)
    download: bool = False
    adapters: Path | None = None
    resident: int = Field(1, ge=1)
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    attention: Literal["sdpa", "xformers"] = "sdpa"
    quantize: Literal["int8", "float8"] | None = None
    compile: bool = False
    max_rows: int = Field(16, ge=1, le=256)
    reproducible_rows: int = Field(4, ge=2, le=64)
    adapter_slots: int = Field(32, ge=1)


class MarigoldOptions(Value):
    """Folders of the checkpoints that estimate the geometry of pictures.

    Attributes:
        depth: Marigold for depth, in diffusers' format.
        normals: Marigold for normals.
    """

    depth: Path | None = None
    normals: Path | None = None


class ImageOptions(Value):
    """What can be set.

    Attributes:
        libllvm: Path of a libLLVM, where the one that is found is not the right one.
        diffusers: Of that backend.
        stylegan3: Path of each generator by name: an official `.pkl` file, or a folder made by
            `python -m models.image.stylegan3.files`.
        openai: Of that backend.
        marigold: Of the geometry of pictures.
    """

    libllvm: str | None = None
    diffusers: DiffusersOptions = DiffusersOptions()
    stylegan3: dict[ModelName, Path] = {}
    openai: OpenAIOptions = OpenAIOptions()
    marigold: MarigoldOptions = MarigoldOptions()
