"""What the core's objects remember, as plain numbers and arrays, and back again."""

from dataclasses import asdict, fields
from typing import Any, Sequence

import numpy as np

from adsp_mpi.core.actions import Observed, Targets
from adsp_mpi.core.worker import WorkerState

COLUMNS = tuple(f.name for f in fields(Observed) if f.name not in ("now", "losses"))


def observations_state(observations: Sequence[Observed]) -> dict[str, np.ndarray]:
    """All that a scheduler saw: by column [K, M], the losses of all one after the other [L, 2]."""
    columns = {name: np.array([getattr(seen, name) for seen in observations]) for name in COLUMNS}
    losses = [pair for seen in observations for pair in seen.losses]
    return columns | {
        "now": np.array([seen.now for seen in observations]),
        "num_losses": np.array([len(seen.losses) for seen in observations]),
        "losses": np.array(losses, float).reshape(-1, 2),
    }


def observations_of(state: dict[str, np.ndarray]) -> list[Observed]:
    """What `observations_state` was given."""
    ends = np.cumsum(state["num_losses"])
    pairs = [(float(s), float(loss)) for s, loss in state["losses"]]
    return [
        Observed(
            now=float(now),
            losses=tuple(pairs[end - count : end]),
            **{name: state[name][k] for name in COLUMNS},
        )
        for k, (now, end, count) in enumerate(
            zip(state["now"], ends, state["num_losses"], strict=True)
        )
    ]


def put_worker_state(me: WorkerState, state: dict[str, Any]) -> None:
    """`me` becomes what `asdict` said it was."""
    for name, value in state.items():
        setattr(me, name, Targets(**value) if name == "targets" else value)


def worker_state(me: WorkerState) -> dict[str, Any]:
    """For `put_worker_state`."""
    return asdict(me)
