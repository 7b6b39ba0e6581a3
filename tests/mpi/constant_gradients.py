"""A linear model whose gradient is 1 everywhere: the end must be the exact sum of all steps."""

import sys
import time

import numpy as np
import torch
from torch import nn

import adsp_mpi
from adsp_mpi.core.commit_rule import OuterMomentum
from adsp_mpi.learn import replica
from adsp_mpi.learn.staging import Staging
from tests.unit import buffered_scheme


def make_model() -> nn.Module:
    module = nn.Linear(16, 1)
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


class Recorded:
    """What rank 0's outer steps saw and added, [K, P] each."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []
        self.added: list[np.ndarray] = []
        self._step = OuterMomentum.outer_step
        OuterMomentum.outer_step = lambda rule, values: self._record(rule, values)  # type: ignore[method-assign]

    def _record(self, rule: OuterMomentum, values: np.ndarray) -> np.ndarray:
        self.seen.append(values.copy())
        self.added.append(self._step(rule, values).copy())
        return self.added[-1]


class Late(Staging):
    """As with a model on a GPU: what is sent down arrives a while later."""

    in_place = False

    def send_down(self, values: torch.Tensor, to: torch.Tensor) -> None:
        self._under_way = values, to
        self._arrives_s = time.monotonic() + 0.005
        to.fill_(torch.nan)

    @property
    def arrived(self) -> bool:
        if time.monotonic() < self._arrives_s:
            return False
        values, to = self._under_way
        to.copy_(values)
        return True


if __name__ == "__main__":
    out, model, steps, profile, compress, servers, outer, *staging = sys.argv[1:]
    if staging:
        replica.make_staging = lambda device: Late()
    data = (torch.zeros(64, 1),)
    task = adsp_mpi.Task(
        make_model,
        data,
        data,
        loss=lambda module, batch: sum(p.sum() for p in module.parameters()) + 1e4,
        metrics=lambda module, batch: {},
    )
    recorded = Recorded()
    sync = {"model": model, "check_period_s": 0.3, "global_lr": 1.0, "outer": outer}
    settings = {
        "run": {"out": out, "resume": "auto", "screen": "quiet", "servers": int(servers)},
        "train": {"batch_size": 4, "local_lr": 2.0**-6, "compress": compress},
        "sync": sync | ({"commit_rate": 3} if model == "adsp-fixed" else {}),
        "hetero": {"profile": profile},
        "eval": {"period_s": 0.2},
        "stop": {"max_steps": int(steps)},
    }
    if adsp_mpi.train(task, settings):
        np.savez(f"{out}/outer-{steps}.npz", seen=recorded.seen, added=recorded.added)
        for rule in buffered_scheme.begun:
            np.savez(f"{out}/rule.npz", **rule.state_dict())
