"""State of torch objects as bytes that a checkpoint's file can hold."""

import io
from typing import Any

import numpy as np
import torch

NUMPY: list[Any] = [
    np.ndarray,
    np.dtype,
    *(type(np.dtype(code)) for code in "?bhilqBHILQefdU"),
    np.zeros(1).__reduce__()[0],
    np.float64(1.0).__reduce__()[0],
]
"""What pickle names to make numpy's arrays of numbers and its numbers."""


def packed(state: Any) -> np.ndarray:
    """`state`, tensors in any nesting of dicts and lists, as uint8[N]; also numpy's numbers."""
    file = io.BytesIO()
    torch.save(state, file)
    return np.frombuffer(file.getvalue(), np.uint8)


def unpacked(data: np.ndarray) -> Any:
    """What `packed` was given, with all tensors on the CPU; nothing in it is executed.

    Raises pickle.UnpicklingError for other objects.
    """
    file = io.BytesIO(data.tobytes())
    with torch.serialization.safe_globals(NUMPY):
        return torch.load(file, map_location="cpu", weights_only=True)
