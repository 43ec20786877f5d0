"""Adapters from files: read safely, named by the operator or owned by a tenant, kept while used."""

import hashlib
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import torch

from models.core.artifacts import ArtifactStore, Asset, AssetRecord
from models.core.errors import InvalidInput, UnknownAsset
from models.image.diffusion.adapters import Adapters, AdapterSet, LowRank
from models.image.diffusion.checkpoint import Checkpoint
from models.image.diffusion.layouts import Pipeline
from models.image.schema import Adapter

MAX_ADAPTER_BYTES = 2 * 1024**3
SUFFIX = ".safetensors"
MEDIA_TYPE = "application/x-safetensors"
"""Of the adapters that were taught here; by it their owner's are found among the assets."""
_ASSET_ID = re.compile(r"[0-9a-f]{64}")
NETWORK = "unet"
ADAPTABLE = (NETWORK, "text_encoder", "text_encoder_2")
_OLD_PROJECTION = re.compile(r"\.to_(q|k|v|out)$")
_TENSOR = re.compile(r"(?P<layer>.+?)[._]lora(?:_linear_layer)?(?P<side>_A|_B|\.down|\.up)\.weight")

Parts: TypeAlias = Mapping[str, Mapping[str, LowRank]]
"""What an adapter learned: by part of the pipeline, by layer."""
KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")

logger = logging.getLogger(__name__)


class Recent(OrderedDict[KeyT, ValueT]):
    """Keeps the last few values; the one unused for longest goes first."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def recall(self, key: KeyT) -> ValueT | None:
        """The value, if it is still here; it counts as used."""
        if key not in self:
            return None
        self.move_to_end(key)
        return self[key]

    def keep(self, key: KeyT, value: ValueT) -> None:
        """Keep a value, and let go of what is too much."""
        self[key] = value
        self.move_to_end(key)
        while len(self) > self._most:
            self.popitem(last=False)


class AdapterShelf:
    """Finds adapters and puts them where their checkpoint is.

    Args:
        folder: Of the operator's adapters, `NAME.safetensors`.
        store: Holds the adapters that tenants trained; an owner sees only its own.
        most: Adapters kept in memory.
    """

    def __init__(self, folder: Path | None, store: ArtifactStore, most: int) -> None:
        self._folder = None if folder is None else folder.expanduser()
        self._store = store
        self._parts: Recent[tuple[str, str], Parts] = Recent(most)
        self._sets: Recent[tuple[Any, ...], Adapters] = Recent(most)
        self._lock = threading.Lock()

    def names(self) -> tuple[str, ...]:
        """The operator's adapters."""
        if self._folder is None or not self._folder.is_dir():
            return ()
        return tuple(sorted(path.stem for path in self._folder.glob(f"*{SUFFIX}")))

    def owned(self, owner: str) -> tuple[AssetRecord, ...]:
        """The adapters that an owner taught, the newest first."""
        found = self._store.owned(owner, MEDIA_TYPE)
        return tuple(sorted(found, key=lambda r: (r.asset.created_at, r.asset.id), reverse=True))

    def fetch(
        self, wanted: Sequence[Adapter], checkpoint: Checkpoint, owner: str
    ) -> Adapters | None:
        """The adapters of one request.

        Raises:
            UnknownAsset: There is no such adapter, or it belongs to somebody else.
            InvalidInput: It is no adapter, or not one for this checkpoint.
        """
        if not wanted:
            return None
        # Looked up every time: what is in memory must not open what an owner may not see.
        found = [self._found(adapter.name, owner) for adapter in wanted]
        keys = [_key(one) for one in found]
        home = f"{checkpoint.name} {checkpoint.version}"
        together = (
            home,
            *((key, adapter.weight) for key, adapter in zip(keys, wanted, strict=True)),
        )
        with self._lock:
            known = self._sets.recall(together)
            if known is not None:
                return known
            parts = []
            for one, key, adapter in zip(found, keys, wanted, strict=True):
                layers = self._parts.recall((home, key))
                if layers is None:
                    content = self._content(one, owner)
                    layers = _placed(read_adapter(content, checkpoint.pipeline), checkpoint)
                    self._parts.keep((home, key), layers)
                    logger.info("adapter loaded", extra={"layers": len(layers)})
                parts.append((layers, adapter.weight))
            merged = _merged(parts)
            self._sets.keep(together, merged)
            return merged

    def _found(self, name: str, owner: str) -> Path | Asset:
        """The operator's file, or the owner's asset: by its id, or the newest of that name."""
        if self._folder is not None and name in self.names():
            return self._folder / f"{name}{SUFFIX}"
        if _ASSET_ID.fullmatch(name) is not None:
            return self._store.stat(name, owner).asset
        for record in self.owned(owner):
            if record.asset.filename == f"{name}{SUFFIX}":
                return record.asset
        raise UnknownAsset(f"no such adapter: {name!r}; see /api/v1/image/adapters")

    def _content(self, found: Path | Asset, owner: str) -> bytes:
        if isinstance(found, Path):
            return found.read_bytes()
        if found.size_bytes > MAX_ADAPTER_BYTES:
            raise InvalidInput(f"the asset {found.id} is too large for an adapter")
        return b"".join(self._store.read(found.id, owner))


def _key(found: Path | Asset) -> str:
    if isinstance(found, Asset):
        return found.id
    state = found.stat()
    return f"{found.stem} {state.st_size} {state.st_mtime_ns}"


def read_adapter(content: bytes, pipeline: Pipeline) -> Parts:
    """The layers of a LoRA file, in any of the formats that the pipeline's class knows.

    Raises:
        InvalidInput: It is no such file.
    """
    from safetensors import SafetensorError  # noqa: PLC0415  # brought only where adapters are used
    from safetensors.torch import load  # noqa: PLC0415

    try:
        tensors, alphas = pipeline.lora_state_dict(load(content))
    except (SafetensorError, ValueError, KeyError, IndexError) as error:
        digest = hashlib.sha256(content).hexdigest()[:12]
        raise InvalidInput(f"the adapter ({digest}…) is no LoRA in safetensors") from error
    pairs: dict[str, dict[str, dict[str, torch.Tensor]]] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        found = _TENSOR.fullmatch(rest)
        if part not in ADAPTABLE or found is None or tensor.ndim != 2:
            raise InvalidInput(
                f"the adapter changes {name!r}; only linear layers of the denoising network and of "
                "the text encoders can be adapted per request"
            )
        side = "down" if found["side"] in ("_A", ".down") else "up"
        pairs.setdefault(part, {}).setdefault(_layer(part, found["layer"]), {})[side] = tensor
    if not pairs or any(len(pair) != 2 for part in pairs.values() for pair in part.values()):
        raise InvalidInput("the adapter has no complete pair of low-rank matrices")
    scales = {_scaled_layer(name): float(alpha) for name, alpha in (alphas or {}).items()}
    return {
        part: {layer: _scaled(pair, scales.get((part, layer))) for layer, pair in layers.items()}
        for part, layers in pairs.items()
    }


def _layer(part: str, name: str) -> str:
    """The library's name of a layer; older files name the processor of its attention."""
    name = name.replace(".processor.", ".")
    if part == NETWORK:
        return f"{name}.0" if name.endswith(".to_out") else name
    return _OLD_PROJECTION.sub(r".\1_proj", name)


def _scaled_layer(name: str) -> tuple[str, str]:
    """What an alpha is for; some are named after a layer, some after a tensor of it."""
    part, _, rest = name.removesuffix(".alpha").partition(".")
    found = _TENSOR.fullmatch(rest)
    return part, _layer(part, rest if found is None else found["layer"])


def _scaled(pair: dict[str, torch.Tensor], alpha: float | None) -> LowRank:
    """With the scale alpha / r that some formats keep beside the matrices."""
    scale = 1.0 if alpha is None else alpha / len(pair["down"])
    return LowRank(pair["down"], pair["up"] * scale)


def _placed(parts: Parts, checkpoint: Checkpoint) -> Parts:
    """On the device of the checkpoint, under the names that its layers have.

    Raises:
        InvalidInput: The adapter was made for another checkpoint.
    """
    placed = {}
    for part, layers in parts.items():
        network = checkpoint.adaptable.get(part)
        if network is None:
            raise InvalidInput(f"the adapter does not fit the model: it has no {part!r}")
        # Text encoders are named with or without the model around them, as versions have it.
        named = {
            name if network.has(name) else name.removeprefix("text_model."): layer
            for name, layer in layers.items()
        }
        network.check(named)
        placed[part] = {name: _moved(layer, checkpoint) for name, layer in named.items()}
    return placed


def _moved(layer: LowRank, checkpoint: Checkpoint) -> LowRank:
    device, dtype = checkpoint.pipeline.unet.device, checkpoint.dtype
    return LowRank(layer.down.to(device, dtype), layer.up.to(device, dtype))


def _merged(weighted: Sequence[tuple[Parts, float]]) -> Adapters:
    names = {name for parts, _weight in weighted for name in parts}
    sets = {
        name: AdapterSet.merged([(parts[name], w) for parts, w in weighted if name in parts])
        for name in names
    }
    return Adapters(sets.pop(NETWORK, None), sets)
