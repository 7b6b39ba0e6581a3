"""ResNet-20 on CIFAR-10 as in He et al., CVPR 2016, with a cosine, and bfloat16 on a GPU.

CIFAR10_FOLDER=cifar mpirun -n 5 python -m adsp_mpi adsp_mpi.examples.resnet_cifar:train

The folder has data_batch_*.bin and test_batch.bin of https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad, relu
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

import adsp_mpi  # new
from adsp_mpi.examples.data_files import data_files

SETTINGS = {"sync": {"check_period_s": 20}, "eval": {"period_s": 20}, "stop": {"max_seconds": 600}}
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def read(files: str) -> tuple[Tensor, Tensor]:
    """Images, uint8[N, 3, 32, 32], and their classes, int64[N]."""
    content = b"".join(path.read_bytes() for path in data_files(files, "CIFAR10_FOLDER"))
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, 3073)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long()


def moved(images: Tensor) -> Tensor:
    """Each of a batch's images moved by up to four pixels, and half of them mirrored."""
    mirrored, places = torch.rand(len(images)) < 0.5, torch.randint(9, (len(images), 2)).tolist()
    images = pad(torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images), [4] * 4)
    return torch.stack(
        [i[:, y : y + 32, x : x + 32] for i, (y, x) in zip(images, places, strict=True)]
    )


class Block(nn.Module):
    def __init__(self, before: int, channels: int) -> None:
        super().__init__()
        self.stride, self.added = channels // before, channels - before
        first = nn.Conv2d(before, channels, 3, self.stride, 1, bias=False), nn.BatchNorm2d(channels)
        second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        self.layers = nn.Sequential(*first, nn.ReLU(), *second)

    def forward(self, x: Tensor) -> Tensor:
        kept = x[..., :: self.stride, :: self.stride]
        return relu(self.layers(x) + pad(kept, [0] * 5 + [self.added]))


def train(width: int = 16) -> None:
    training = TensorDataset(*read("data_batch_*.bin"))
    widths = [width, *[width] * 3, *[2 * width] * 3, *[4 * width] * 3]
    begin = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
    end = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, 10)
    model = nn.Sequential(*begin, *map(Block, widths, widths[1:]), *end).to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)

    def validate(model: nn.Module) -> dict[str, Tensor]:
        images, classes = (values[:1000].to(DEVICE) for values in read("test_batch.bin"))
        logits = torch.cat([model(part / 64 - 2) for part in images.split(250)])
        hits = (logits.argmax(1) == classes).float()
        return {"loss": cross_entropy(logits, classes), "accuracy": hits.mean()}

    run = adsp_mpi.join(model, optimizer, evaluate=validate, settings=SETTINGS)  # new
    schedule = LambdaLR(optimizer, lambda _: (1 + math.cos(math.pi * run.progress)) / 2)  # changed
    run.keep(schedule=schedule)  # new
    for images, classes in run(DataLoader(run.shard(training), 64, shuffle=True)):  # changed
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=DEVICE.type == "cuda"):
            loss = cross_entropy(model(moved(images).to(DEVICE) / 64 - 2), classes.to(DEVICE))
        optimizer.zero_grad()
        loss.backward()
        run.log(loss)  # new
        optimizer.step()
        schedule.step()


if __name__ == "__main__":
    train()
