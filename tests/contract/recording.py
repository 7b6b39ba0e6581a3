"""A trace in memory: the input of a replay, and what its decisions are compared with."""

import tomllib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adsp_mpi.config import Config
from adsp_mpi.core.actions import Observed, Setup
from adsp_mpi.trace import Trace
from adsp_mpi.trace.schema import WORKER_TABLES


class Different(AssertionError):
    """A replay differs from the recording; the message says where, and what each did."""


OF_EVERY_RUN = {"evals", "targets", "observed", "observed_workers"}


@dataclass(frozen=True)
class Recording:
    """The tables of a trace by path, and the configuration that made it."""

    config: Config
    num_workers: int
    tables: dict[str, np.ndarray]

    @classmethod
    def of(cls, trace: Trace) -> "Recording":
        config = Config().with_values(tomllib.loads(trace.meta["config"]), "trace")
        tables = {path: trace.table(path) for path in trace.tables}
        return cls(config, len(trace.workers), tables)

    def of_worker(self, worker: int) -> dict[str, np.ndarray]:
        """A worker's tables by name."""
        return {name: self.tables[f"workers/{worker}/{name}"] for name in WORKER_TABLES}

    @cached_property
    def setup(self) -> Setup:
        """The scheduler's knowledge of the run."""
        config = self.config
        return Setup(self.num_workers, config.train.batch_size, config.stop.target_loss)

    @cached_property
    def observations(self) -> list[Observed]:
        """The scheduler's observations, in order."""
        evals, seen = self.tables["ps/evals"], self.tables["ps/observed"]
        workers = self.tables["ps/observed_workers"].reshape(len(seen), self.num_workers)
        assert (workers["observation"] == np.arange(len(seen))[:, None]).all()
        assert (workers["worker"] == np.arange(self.num_workers)).all()
        losses = evals[["time_s", "loss"]].tolist()
        return [
            Observed(
                now=float(row["time_s"]),
                losses=tuple(losses[row["evals_from"] : row["evals_to"]]),
                raised_commits=float(row["raised_commits"]),
                **{name: counts[name].astype(float) for name in counts.dtype.names[2:-1]},
                present=counts["present"].astype(bool),
            )
            for row, counts in zip(seen, workers, strict=True)
        ]

    @cached_property
    def told(self) -> dict[str, np.ndarray]:
        """The scheme's own tables by name."""
        names = [path.removeprefix("ps/") for path in self.tables if path.startswith("ps/")]
        return {name: self.tables[f"ps/{name}"] for name in names if name not in OF_EVERY_RUN}
