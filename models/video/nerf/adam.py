"""Adam for the few dense parameters: those of the network and of the sky."""

import numpy as np
from numpy.typing import NDArray

from models.video.nerf.arrays import Floats


class Adam:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980).

    Args:
        values: Changed in place by every step.
    """

    def __init__(self, values: list[Floats]) -> None:
        self.values = values
        self._mean = [np.zeros_like(value) for value in values]
        self._square = [np.zeros_like(value) for value in values]
        self._steps = 0

    def step(self, gradients: list[Floats], rate: float) -> None:
        """Follow the gradients of all values."""
        self._steps += 1
        undo_mean, undo_square = 1 - 0.9**self._steps, 1 - 0.999**self._steps
        rows = zip(self.values, gradients, self._mean, self._square, strict=True)
        for value, gradient, mean, square in rows:
            mean += np.float32(0.1) * (gradient - mean)  # noqa: PLW2901  # in place
            square += np.float32(0.001) * (gradient * gradient - square)  # noqa: PLW2901
            scale = np.sqrt(square / np.float32(undo_square)) + np.float32(1e-8)
            value -= np.float32(rate / undo_mean) * mean / scale  # noqa: PLW2901

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Its state."""
        named: dict[str, NDArray[np.generic]] = {"adam.steps": np.array([self._steps], np.int64)}
        for number, (mean, square) in enumerate(zip(self._mean, self._square, strict=True)):
            named[f"adam.mean.{number}"], named[f"adam.square.{number}"] = mean, square
        return named

    def restore(self, tensors: dict[str, NDArray[np.generic]]) -> None:
        """Take the state of `tensors()`."""
        self._steps = int(np.asarray(tensors["adam.steps"])[0])
        for number in range(len(self.values)):
            self._mean[number][...] = tensors[f"adam.mean.{number}"]
            self._square[number][...] = tensors[f"adam.square.{number}"]
