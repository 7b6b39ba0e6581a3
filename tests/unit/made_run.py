"""Traces made by hand, so small that every number in them can be worked out on paper."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

from adsp_mpi.config import Config
from adsp_mpi.trace import schema
from adsp_mpi.trace.merge import merge_parts
from adsp_mpi.trace.part_writer import PartWriter

Row = tuple[Any, ...]


@dataclass
class MadeWorker:
    """Rows of a worker's tables, without what each decision was based on."""

    steps: Sequence[Row] = ()  # start_s, compute_s, sleep_s, loss, batch_size
    commits: Sequence[Row] = ()  # begun_s, done_s, number, steps, staleness, blocked_s, sent_bytes
    pulls: Sequence[Row] = ()  # start_s, duration_s, keep_local
    waits: Sequence[Row] = ()  # start_s, duration_s, reason
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class MadeRun:
    """What a run recorded. Targets are (time_s, version, commit_target, commit_rate,
    check_period_s, local_steps, from_round, since_s, implicit_momentum, phase); evaluations
    (time_s, duration_s, steps, landed, trial, loss, and a value for each of `metrics`)."""

    workers: Sequence[MadeWorker]
    targets: Sequence[Row] = ()
    evals: Sequence[Row] = ()
    metrics: Sequence[str] = ()
    told: dict[str, Sequence[dict[str, float]]] = field(default_factory=dict)
    events: Sequence[tuple[float, str, str]] = ()
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, merge: bool = True) -> Path:
        """The trace of this run in `folder`, or with `merge` false its parts."""
        self._write_server(folder)
        for number, worker in enumerate(self.workers):
            _write_worker(folder, number, worker)
        if merge:
            merge_parts(folder)
        return folder

    def _write_server(self, folder: Path) -> None:
        part = PartWriter(folder / schema.PARTS_NAME / "rank-00000.part", 0, 1e9)
        config = Config().with_values(self.settings, "test")
        facts = {
            "engine": "mpi",
            "config": config.to_toml(),
            "seed": config.run.seed,
            "model": "adsp",
            "task": "t",
            "num_workers": len(self.workers),
        }
        part.attributes("/", {**facts, **self.facts})
        losses = tuple((name, "f8", "") for name in ("loss", *self.metrics))
        for path, columns, rows in (
            ("ps/targets", schema.TARGETS, self.targets),
            ("ps/evals", (*schema.EVALS, *losses), self.evals),
        ):
            part.add_table(path, columns)
            for row in rows:
                part.append(path, *row)
        for table, told in self.told.items():
            for values in told:
                part.append_named(f"ps/{table}", values)
        for event in self.events:
            part.event(*event)
        part.close()


def _write_worker(folder: Path, number: int, worker: MadeWorker) -> None:
    part = PartWriter(folder / schema.PARTS_NAME / f"rank-{number + 1:05d}.part", number + 1, 1e9)
    group = f"workers/{number}"
    part.attributes(group, worker.facts)
    for name, columns in schema.WORKER_TABLES.items():
        part.add_table(f"{group}/{name}", columns)
        for row in getattr(worker, name):
            part.append(f"{group}/{name}", *row, 1, 0)
    part.close()


def make_run(
    folder: Path, seed: int = 1, late_s: float = 0.0, engine: str = "mpi", scheme: str = "adsp"
) -> Path:
    """Two workers, 4 and 2 steps of 1 s; a trial of 5 s; at the target from second 20 on."""
    workers = [
        MadeWorker(
            steps=[(float(k), 0.25, 4 / steps - 0.25, 1.0, 32) for k in range(steps)],
            commits=[(4.0, 5.0, 1, steps, worker, 0.25, 2_000_000)],
            pulls=[(6.0, 0.25, False)],
            waits=[(5.0, 0.5 * worker, "others")],
        )
        for worker, steps in enumerate((4, 2))
    ]
    evals = [
        (5.0 * k + late_s, 0.1, k, k, k == 1, 0.1 if k == 1 or k >= 4 else 1.0) for k in range(15)
    ]
    phases = ((0.0, "trial"), (5.0, "train"))
    return MadeRun(
        workers,
        targets=[(time_s, 1, 1, 1, 10, 1, 0, time_s, 0.1, phase) for time_s, phase in phases],
        evals=evals,
        settings={
            "stop": {"target_loss": 0.5},
            "run": {"seed": seed},
            "sync": {"model": scheme},
        },
        facts={"engine": engine, "end_s": 40.0, "model": scheme},
    ).write(folder)


def searching_run() -> MadeRun:
    """ADSP for 10 s: worker 0 takes a step a second, worker 1 one in two; two rates are tried."""
    nan = float("nan")
    fast = MadeWorker(
        steps=[(float(k), 0.25, 0.75, 1.0, 32) for k in range(8)],
        commits=[(2.0, 2.5, 1, 2, 0, 0.5, 1_000_000), (6.0, 7.0, 2, 4, 1, 0.0, 1_000_000)],
        facts={"host": "a", "step_time_s": 1.0},
    )
    slow = MadeWorker(
        steps=[(2.0 * k, 0.5, 1.5, nan, 32) for k in range(4)],
        commits=[(2.0, 3.0, 1, 1, 1, 0.25, 1_000_000), (6.0, 8.0, 2, 2, 3, 0.25, 1_000_000)],
        waits=[(8.0, 1.5, "the slowest")],
        facts={"host": "b", "step_time_s": 2.0},
    )
    return MadeRun(
        [fast, slow],
        targets=[
            (0.0, 1, 1, 1, 4, 1, 0, 0.0, nan, "search"),
            (4.0, 2, 2, 1, 4, 1, 0, 4.0, 0.2, "search"),
            (8.0, 3, 3, 1, 4, 1, 0, 8.0, 0.5, "train"),
        ],
        evals=[
            (0.5 * k, 0.1, k, k // 5, False, 0.25 if k >= 8 else 1.0, k / 20) for k in range(21)
        ],
        metrics=["test_accuracy"],
        told={
            "search": [
                {"time_s": 4.0, "commit_rate": 1.0, "fall": 0.5, "commit_share": 0.1},
                {"time_s": 8.0, "commit_rate": 2.0, "fall": 1.0, "commit_share": 0.1},
            ]
        },
        events=[(10.0, "end", "10 s are over")],
        settings={"stop": {"target_loss": 0.5}},
        facts={"end_s": 10.0, "reason": "10 s are over", "parameters": 1234},
    )
