"""Low-rank adapters (Hu et al., ICLR 2022) in a frozen GPT-2: only they are trained and travel.

mpirun -n 5 python -m adsp_mpi adsp_mpi.examples.lora:train

Needs `pip install transformers`. The base has read Python code, and the adapters read the English
documentation that comes with Python.
"""

import math
from functools import cache
from pydoc_data.topics import topics
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import GPT2Config, GPT2LMHeadModel

import adsp_mpi  # new
from adsp_mpi.examples.byte_transformer import windows

CONFIG = GPT2Config(
    vocab_size=256, n_positions=64, n_embd=64, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
)
SETTINGS = {"sync": {"check_period_s": 5}, "eval": {"period_s": 2}, "stop": {"max_seconds": 60}}


class Adapted(nn.Module):
    """A frozen linear map, and a product of two small matrices beside it."""

    def __init__(self, base: nn.Module, inputs: int, outputs: int, rank: int = 4) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(inputs, rank) / math.sqrt(inputs))
        self.up = nn.Parameter(torch.zeros(rank, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + 2 * x @ self.down @ self.up


@cache
def base_weights(steps: int = 100) -> dict[str, Any]:
    """The weights of a small GPT-2 that has read Python's own library for some steps."""
    model = GPT2LMHeadModel(CONFIG)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    code = windows(1.0)[0]
    for _ in range(steps):
        x = code[torch.randint(len(code), (16,))]
        optimizer.zero_grad()
        model(x, labels=x).loss.backward()
        optimizer.step()
    return model.state_dict()


def train() -> None:
    model = GPT2LMHeadModel(CONFIG)
    model.load_state_dict(base_weights())
    model.requires_grad_(False)
    for block in model.transformer.h:
        block.attn.c_attn = Adapted(block.attn.c_attn, CONFIG.n_embd, 3 * CONFIG.n_embd)
    optimizer = torch.optim.AdamW((w for w in model.parameters() if w.requires_grad), 5e-3)
    prose = "".join(topics[name] for name in sorted(topics)).encode()
    texts = torch.tensor(list(prose[: len(prose) // 64 * 64])).view(-1, 64)
    held_out, training = texts[::50], texts[torch.arange(len(texts)) % 50 > 0]

    def validate(model: nn.Module) -> dict[str, float]:
        loss = float(model(held_out, labels=held_out).loss)
        return {"loss": loss, "perplexity": math.exp(loss)}

    run = adsp_mpi.join(model, optimizer, evaluate=validate, settings=SETTINGS)  # new
    for x in run(DataLoader(run.shard(training), 16, shuffle=True)):  # changed
        loss = model(x, labels=x).loss
        optimizer.zero_grad()
        loss.backward()
        run.log(loss)  # new
        optimizer.step()


if __name__ == "__main__":
    train()
