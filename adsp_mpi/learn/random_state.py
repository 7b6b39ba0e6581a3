"""The state of the global random generators that a task's own code may draw from."""

import random
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Of torch (CPU and GPUs), numpy and Python, in this process."""
    kind, keys, *rest = np.random.get_state()
    version, words, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state().numpy(),
        "cuda": [state.numpy() for state in torch.cuda.get_rng_state_all()],
        "numpy": [kind, keys, *rest],
        "python": [version, list(words), gauss],
    }


def put_random_state(state: dict[str, Any]) -> None:
    """The generators go on where they stood; those of GPUs where there are as many."""
    torch.set_rng_state(torch.from_numpy(state["torch"]))
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([torch.from_numpy(s) for s in state["cuda"]])
    np.random.set_state(tuple(state["numpy"]))
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
