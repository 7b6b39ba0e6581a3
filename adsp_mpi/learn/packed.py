"""State of torch objects as bytes that a checkpoint's file can hold."""

import io
from typing import Any

import numpy as np
import torch


def packed(state: Any) -> np.ndarray:
    """`state`, tensors in any nesting of dicts and lists, as uint8[N]."""
    file = io.BytesIO()
    torch.save(state, file)
    return np.frombuffer(file.getvalue(), np.uint8)


def unpacked(data: np.ndarray) -> Any:
    """What `packed` was given, with all tensors on the CPU; nothing in it is executed."""
    file = io.BytesIO(data.tobytes())
    return torch.load(file, map_location="cpu", weights_only=True)
