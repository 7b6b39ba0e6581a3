"""A model as a file: a plain state_dict, by torch or by safetensors."""

import os
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from adsp_mpi.errors import AdspError, UsageError

FORMATS = ("pt", "safetensors")
"""The formats, which are the endings of the files' names too."""


def require_format(name: str) -> None:
    """Raise UsageError if models cannot be written in this format here."""
    if name not in FORMATS:
        raise UsageError(f"a model's file ends in .{' or .'.join(FORMATS)}, not .{name}")
    if name == "safetensors" and not find_spec("safetensors"):
        raise UsageError("models as safetensors need that package: pip install safetensors")


def write_model(state: dict[str, Any], path: Path) -> None:
    """Write a state_dict to `path`, as its ending says, in one atomic step.

    Raises OSError or RuntimeError if the disk is full; what was at `path` is left then.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        if path.suffix == ".safetensors":
            _write_safetensors(state, unfinished)
        else:
            torch.save(state, unfinished)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def read_model(path: Path) -> dict[str, Any]:
    """What `write_model` wrote with torch, on the CPU; AdspError if the file is damaged."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError) as error:
        raise AdspError(f"{path} is damaged: {str(error).splitlines()[0]}") from error
    return state


def _write_safetensors(state: dict[str, Any], path: Path) -> None:
    """Without what is no tensor; each tensor gets memory of its own, also a tied one."""
    from safetensors.torch import save_file

    tensors = {name: t for name, t in state.items() if isinstance(t, torch.Tensor)}
    save_file({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, path)
