"""Arrays within a JSON file of weights: base 64 of their bytes, with type and shape."""

import base64
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from models.core.errors import ModelUnavailable

TYPES = ("<f4", "<f8", "<i2", "<i4", "|u1")
ScalarT = TypeVar("ScalarT", bound=np.generic)


def packed(array: npt.NDArray[Any]) -> dict[str, Any]:
    """An array as JSON."""
    if array.dtype.str not in TYPES:
        raise TypeError(f"expected one of {TYPES}, not {array.dtype.str}")
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"type": array.dtype.str, "shape": list(array.shape), "data": data}


def unpacked(value: Any, dtype: type[ScalarT]) -> npt.NDArray[ScalarT]:  # noqa: ANN401  # JSON
    """The array again, of the type that is needed.

    Raises:
        ModelUnavailable: It is no such array.
    """
    try:
        if value["type"] not in TYPES:
            raise ModelUnavailable(f"unknown type of weights {value['type']!r}; train again")
        flat = np.frombuffer(base64.b64decode(value["data"], validate=True), value["type"])
        return flat.reshape(value["shape"]).astype(dtype)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelUnavailable(f"the weights hold no array: {error!r}; train again") from error
