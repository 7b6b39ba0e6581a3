"""A synchronization scheme of one's own, beside the loop that it steers: commits by lag.

mpirun -n 5 python -m adsp_mpi adsp_mpi.examples.own_scheme:train --hetero ratio:3
python -m adsp_mpi simulate adsp_mpi.examples.own_scheme:train --workers 8 --hetero ratio:3
"""

from dataclasses import dataclass
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import adsp_mpi  # new
from adsp_mpi.core.actions import Commit, Step, WorkerAction
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.worker_state import WorkerState
from adsp_mpi.options import option


@dataclass(frozen=True)
class CommitByLag(SyncModel):
    """A worker commits once the others have changed the model often since it last took it."""

    most_lag: int = option(6, "commits of others since its last one, after which it commits", low=1)
    most_steps: int = option(20, "steps after which it commits in any case", low=1)

    def next_action(self, now: float, me: WorkerState, board: Board) -> WorkerAction:
        is_due = me.lag >= self.most_lag or me.steps_since_commit >= self.most_steps
        return Commit() if is_due and me.steps_since_commit and not me.in_flight else Step()


SETTINGS: dict[str, dict[str, Any]] = {
    "sync": {"model": f"{CommitByLag.__module__}:CommitByLag", "most_lag": 4},
    "eval": {"period_s": 1},
    "stop": {"max_seconds": 30},
}


def train() -> None:
    digits = load_digits()
    images, classes = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
    held_out = torch.arange(len(images)) % 5 == 0
    training = TensorDataset(images[~held_out], classes[~held_out])
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def validate(model: nn.Module) -> dict[str, torch.Tensor]:
        logits = model(images[held_out])
        hits = (logits.argmax(1) == classes[held_out]).float()
        return {"loss": cross_entropy(logits, classes[held_out]), "accuracy": hits.mean()}

    run = adsp_mpi.join(model, optimizer, evaluate=validate, settings=SETTINGS)  # new
    for x, y in run(DataLoader(run.shard(training), 32, shuffle=True)):  # changed
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        run.log(loss)  # new
        optimizer.step()


if __name__ == "__main__":
    train()
