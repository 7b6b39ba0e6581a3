"""A transformer that predicts the next byte of Python's own library, with AdamW.

mpirun -n 5 python -m adsp_mpi adsp_mpi.examples.byte_transformer:train
python -m adsp_mpi simulate adsp_mpi.examples.byte_transformer:train --workers 8
"""

import math
import os
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

import adsp_mpi  # new

LENGTH, WIDTH = 64, 64
SETTINGS = {"sync": {"check_period_s": 5}, "eval": {"period_s": 2}, "stop": {"max_seconds": 60}}


def windows(megabytes: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows of the text, and for each byte the next one: int64[N, LENGTH] each."""
    files = sorted(Path(os.__file__).parent.glob("*.py"))
    text = b"".join(file.read_bytes() for file in files)[: int(megabytes * 1e6)]
    values = torch.frombuffer(bytearray(text), dtype=torch.uint8).long()
    count = (len(values) - 1) // LENGTH * LENGTH
    return values[:count].view(-1, LENGTH), values[1 : count + 1].view(-1, LENGTH)


class ByteTransformer(nn.Module):
    """Two layers of masked attention: 104,064 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes, self.places = nn.Embedding(256, WIDTH), nn.Embedding(LENGTH, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, 0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2)
        self.logits = nn.Linear(WIDTH, 256)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(LENGTH)
        hidden = self.bytes(x) + self.places(torch.arange(LENGTH))
        return self.logits(self.layers(hidden, mask=mask, is_causal=True))


def warmup_cosine(progress: float) -> float:
    return min(1.0, 0.01 + 20 * progress) * 0.5 * (1 + math.cos(math.pi * progress))


def train() -> None:
    inputs, targets = windows()
    held_out = torch.arange(len(inputs)) % 100 == 0
    training = TensorDataset(inputs[~held_out], targets[~held_out])
    model = ByteTransformer()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)

    def validate(model: nn.Module) -> dict[str, float]:
        loss = cross_entropy(model(inputs[held_out]).flatten(0, 1), targets[held_out].flatten())
        return {"loss": float(loss), "perplexity": math.exp(loss)}

    run = adsp_mpi.join(model, optimizer, evaluate=validate, settings=SETTINGS)  # new
    schedule = LambdaLR(optimizer, lambda _: warmup_cosine(run.progress))  # changed
    run.keep(schedule=schedule)  # new
    for x, y in run(DataLoader(run.shard(training), 16, shuffle=True)):  # changed
        loss = cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        run.log(loss)  # new
        optimizer.step()
        schedule.step()


if __name__ == "__main__":
    train()
