"""Saves and restores the global random generators, which a task's own code may use."""

import random
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """The states of torch's (CPU and GPU), numpy's and Python's generators in this process."""
    kind, keys, *rest = np.random.get_state()
    version, words, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state().numpy(),
        "cuda": [state.numpy() for state in torch.cuda.get_rng_state_all()],
        "numpy": [kind, keys, *rest],
        "python": [version, list(words), gauss],
    }


def put_random_state(state: dict[str, Any]) -> None:
    """Restore what `random_state` returned; GPU generators only for the same number of GPUs."""
    torch.set_rng_state(torch.from_numpy(state["torch"]))
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([torch.from_numpy(s) for s in state["cuda"]])
    np.random.set_state(tuple(state["numpy"]))
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))


def seed_generators(seed: int) -> None:
    """Seed torch's, numpy's and Python's generators in this process."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
