"""A GAN on eight Gaussians: two models, two optimizers, and the energy distance to held-out points.

mpirun -n 5 python -m adsp_mpi adsp_mpi.examples.gan:train
python -m adsp_mpi simulate adsp_mpi.examples.gan:train --workers 8
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader, TensorDataset

import adsp_mpi  # new

NOISE = 16
SETTINGS = {"sync": {"check_period_s": 2}, "eval": {"period_s": 1}, "stop": {"max_seconds": 60}}


def eight_gaussians(count: int, seed: int) -> Tensor:
    """Points around eight places on a circle of radius 2: float32[count, 2]."""
    generator = torch.Generator().manual_seed(seed)
    angles = torch.randint(8, (count,), generator=generator) * (math.pi / 4)
    places = 2 * torch.stack([angles.cos(), angles.sin()], 1)
    return places + 0.1 * torch.randn(count, 2, generator=generator)


def network(inputs: int, outputs: int) -> nn.Sequential:
    hidden = nn.Linear(inputs, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()
    return nn.Sequential(*hidden, nn.Linear(128, outputs))


def energy_distance(x: Tensor, y: Tensor) -> Tensor:
    """0 for two samples of one distribution. Székely and Rizzo, "Energy statistics", 2013."""
    return 2 * torch.cdist(x, y).mean() - torch.cdist(x, x).mean() - torch.cdist(y, y).mean()


def train() -> None:
    generator, discriminator = network(NOISE, 2), network(2, 1)
    first = torch.optim.Adam(discriminator.parameters(), 1e-3, betas=(0.0, 0.9))
    last = torch.optim.Adam(generator.parameters(), 1e-3, betas=(0.0, 0.9))
    training, held_out = TensorDataset(eight_gaussians(20_000, 0)), eight_gaussians(1000, 1)
    noise = torch.randn(1000, NOISE, generator=torch.Generator().manual_seed(2))

    def validate(models: list[nn.Module]) -> Tensor:
        return energy_distance(models[0](noise), held_out)

    run = adsp_mpi.join(  # new
        [generator, discriminator], [first, last], evaluate=validate, settings=SETTINGS
    )
    for (real,) in run(DataLoader(run.shard(training), 128, shuffle=True)):  # changed
        made = generator(torch.randn(len(real), NOISE))
        loss = softplus(-discriminator(real)) + softplus(discriminator(made.detach()))
        first.zero_grad()
        loss.mean().backward()
        first.step()
        run.log(loss.mean())  # new
        last.zero_grad()
        softplus(-discriminator(made)).mean().backward()
        last.step()


if __name__ == "__main__":
    train()
