"""A linear model whose gradient is 1 everywhere: the end must be the exact sum of all steps."""

import sys

import torch
from torch import nn

import adsp_mpi


def make_model() -> nn.Module:
    module = nn.Linear(16, 1)
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


if __name__ == "__main__":
    out, model, steps, profile, compress, servers = sys.argv[1:]
    data = (torch.zeros(64, 1),)
    task = adsp_mpi.Task(
        make_model,
        data,
        data,
        loss=lambda module, batch: sum(p.sum() for p in module.parameters()) + 1e4,
        metrics=lambda module, batch: {},
    )
    sync = {"model": model, "check_period_s": 0.5, "global_lr": 1.0}
    settings = {
        "run": {"out": out, "screen": "quiet", "servers": int(servers)},
        "train": {"batch_size": 4, "local_lr": 2.0**-6, "compress": compress},
        "sync": sync | ({"commit_rate": 4} if model == "adsp-fixed" else {}),
        "hetero": {"profile": profile},
        "eval": {"period_s": 0.2},
        "stop": {"max_steps": int(steps)},
    }
    adsp_mpi.train(task, settings)
