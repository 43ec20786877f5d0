"""Two small networks, shared by all coins, that correct the pooled HAR forecast of log variance.

Both read the standardised features of `models.crypto.features`. They learn the log of the variance
to come, which says far more per bar than the return does; the distribution around the scale is
empirical. Trained on returns by pinball loss directly, the same networks did worse than no network.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from models.core.errors import ModelUnavailable
from models.core.weights import load_weights
from models.crypto.candles import FloatArray, Interval

NetworkName = Literal["lstm", "patch"]
MEMBERS: dict[NetworkName, int] = {"lstm": 3, "patch": 2}
"""Networks of other seeds whose answers are averaged."""
WARM_UP = 168
"""Bars that a network reads before its first answer counts."""
CONTEXT = 96
PATCH = 8
CHUNK = 512
"""Windows at once: bounds memory."""


class LstmScale(nn.Module):
    """Reads bars in order; answers after each.

    Args:
        features: Per bar.
        knots: Horizons.
        hidden: Width.
    """

    def __init__(self, features: int, knots: int, hidden: int = 64, dropout: float = 0.2) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.recurrent = nn.LSTM(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, knots)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, rows: Tensor) -> Tensor:
        """Corrections of log variance, `(B, T, K)`, of rows `(B, T, F)`."""
        states, _ = self.recurrent(self.drop(rows))
        answer: Tensor = self.head(self.drop(states))
        return answer


class PatchScale(nn.Module):
    """Reads windows of 96 bars as patches of 8 bars, all channels of a patch together.

    Args:
        features: Per bar.
        knots: Horizons.
        width: Of a token.
    """

    def __init__(self, features: int, knots: int, width: int = 48, dropout: float = 0.2) -> None:
        super().__init__()
        self.embed = nn.Linear(PATCH * features, width)
        self.place = nn.Parameter(torch.zeros(CONTEXT // PATCH, width))
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout, batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(2 * width, knots)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, windows: Tensor) -> Tensor:
        """Corrections of log variance, `(B, K)`, of windows `(B, 96, F)`."""
        tokens = self.embed(windows.reshape(len(windows), CONTEXT // PATCH, -1)) + self.place
        tokens = self.body(tokens)  # (B, 12, width)
        answer: Tensor = self.head(torch.cat([tokens[:, -1], tokens.mean(1)], 1))
        return answer


def build_network(name: NetworkName, features: int, knots: int) -> nn.Module:
    """A fresh network."""
    return LstmScale(features, knots) if name == "lstm" else PatchScale(features, knots)


def file_name(name: NetworkName, interval: Interval) -> str:
    """Where the members of a network lie."""
    return f"{name}_{interval}.safetensors"


def load_members(
    folder: Path, name: NetworkName, interval: Interval, features: int, knots: int
) -> tuple[list[nn.Module], str]:
    """The trained members, and the SHA-256 of their file.

    Raises:
        ModelUnavailable: The file is missing or of another shape.
    """
    tensors, sha256 = load_weights(folder, file_name(name, interval))
    members = []
    for index in range(MEMBERS[name]):
        prefix = f"{index}."
        state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        network = build_network(name, features, knots)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise ModelUnavailable(f"{name} is of another version: {error}; train it") from error
        members.append(network.eval())
    return members, sha256


def corrections(members: Sequence[nn.Module], rows: FloatArray, device: str) -> FloatArray:
    """Mean correction of log variance per bar, `(n, K)`, of rows `(n, F)`.

    The first bars, which have no full window before them, get that of the first full one, or of
    their own short past.
    """
    data = torch.as_tensor(rows, dtype=torch.float32, device=device)
    with torch.inference_mode():
        answers = [_answers(member.to(device), data) for member in members]
    return torch.stack(answers).mean(0).double().cpu().numpy()


def _answers(network: nn.Module, rows: Tensor) -> Tensor:
    if isinstance(network, LstmScale):
        answer: Tensor = network(rows[None])[0]
        return answer
    padded = torch.cat([rows[:1].expand(CONTEXT - 1, -1), rows])
    windows = padded.unfold(0, CONTEXT, 1).transpose(1, 2)  # (n, 96, F)
    return torch.cat([network(part) for part in torch.split(windows, CHUNK)])


def as_rows(standardised: FloatArray) -> FloatArray:
    """What networks read: the standardised features without the constant, `(n, F)`."""
    return np.ascontiguousarray(standardised[:, 1:])
