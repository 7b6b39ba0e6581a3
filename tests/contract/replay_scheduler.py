"""Replays the scheduler half: the recorded observations must give the recorded targets."""

import math
from dataclasses import dataclass, field, fields

import numpy as np

from adsp_mpi.core.actions import Restore, Run, Targets, Tell
from adsp_mpi.core.scheduler import Command, Scheduler
from tests.contract.recording import Different, Recording

PLAN = ("local_steps", "from_round")
NUMBERS = tuple(f.name for f in fields(Targets) if f.name not in (*PLAN, "since_s"))


@dataclass
class Schedule:
    """The targets, batch sizes and pauses that the workers followed."""

    targets: dict[int, Targets] = field(default_factory=dict)
    """The targets by version."""
    sizes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Batch sizes by version; none: as configured."""
    pauses: list[tuple[float, ...]] = field(default_factory=list)
    """Of each pause, when the scheduler observed again after each of its restores.

    In virtual time that is when the workers took the snapshot; under MPI they did so shortly
    before, which the trace does not tell: it matters to a floor under the commit timer only.
    """


def replay_scheduler(recording: Recording) -> Schedule:
    """Run the scheduler over what it saw; Different at the first thing that differs."""
    told: list[Tell] = []
    first, *rest = recording.observations
    scheduler = Scheduler(recording.config.sync_model, recording.setup, first, told.append)
    commands = [scheduler.command, *(scheduler.advance(seen) for seen in rest)]
    compare_told(recording.told, told)
    return Board(recording).compare(commands)


def compare_told(recorded: dict[str, np.ndarray], told: list[Tell]) -> None:
    for name in recorded.keys() | {tell.table for tell in told}:
        rows = recorded.get(name, np.zeros(0))
        own = [tell.values for tell in told if tell.table == name]
        if len(rows) != len(own):
            raise Different(f"ps/{name}: {len(rows)} rows recorded, {len(own)} replayed")
        for k, (row, values) in enumerate(zip(rows, own, strict=True)):
            words = {column: float(row[column]) for column in row.dtype.names[1:]}
            same = np.array_equal(list(words.values()), list(values.values()), equal_nan=True)
            if words.keys() != values.keys() or not same:
                raise Different(f"ps/{name}[{k}]: recorded {words}, replayed {values}")


class Board:
    """What the workers were shown, row by row of ps/targets."""

    def __init__(self, recording: Recording) -> None:
        self._times = [seen.now for seen in recording.observations]
        self._rows = recording.tables["ps/targets"]
        self._shown = Targets()
        self._sizes: tuple[int, ...] = ()
        self._schedule = Schedule()

    def compare(self, commands: list[Command]) -> Schedule:
        """Compare every command with the rows of the check period that it opened."""
        of_row = np.searchsorted(self._times, self._rows["since_s"], "right") - 1
        paused = False
        for k, command in enumerate(commands):
            where = f"the scheduler's command {k} at {self._times[k]:.6f} s"
            rows = self._rows[of_row == k]
            if isinstance(command, Run):
                self._compare_run(where, command, rows, self._end_s(k), paused or k == 0)
                if self._end_s(k) < self._times[k] + command.seconds:
                    raise Different(f"{where}: {command} was over at {self._end_s(k)} s")
            elif len(rows):
                raise Different(f"{where}: recorded {rows}, replayed {command}")
            else:
                self._pause(command, k, paused)
            paused = not isinstance(command, Run)
        return self._schedule

    def _pause(self, command: Command, k: int, paused: bool) -> None:
        pauses = self._schedule.pauses
        if not paused:
            pauses.append(())
        if isinstance(command, Restore) and k + 1 < len(self._times):
            pauses[-1] = (*pauses[-1], self._times[k + 1])

    def _end_s(self, k: int) -> float:
        """The time of the observation that ended command `k`."""
        return self._times[k + 1] if k + 1 < len(self._times) else math.inf

    def _compare_run(
        self, where: str, run: Run, rows: np.ndarray, end_s: float, paused: bool
    ) -> None:
        """`rows` must be what putting `run` on the board leaves: its numbers at once; its plan
        (local steps, batch sizes) too or, while the plan before is not settled, later or never.
        """
        same_plan = (run.targets.local_steps, run.batch_sizes) == (
            self._shown.local_steps, self._sizes,
        )  # fmt: skip
        put = False
        for row in rows:
            shown = Targets(*(float(row[f.name]) for f in fields(Targets)))
            same_numbers = all(getattr(shown, n) == getattr(run.targets, n) for n in NUMBERS)
            same_numbers &= shown.since_s <= row["time_s"] <= end_s
            if put or not same_numbers or row["phase"].decode() != run.phase:
                raise Different(f"{where}: replayed {run}, recorded {rows}")
            put = paused or same_plan or not self._keeps_plan(shown)
            if put and not self._is_put(shown, run, paused, same_plan):
                raise Different(f"{where}: replayed {run}, recorded {shown}")
            self._sizes = run.batch_sizes if put else self._sizes
            self._show(int(row["version"]), shown)
        if not len(rows) or (not put and (paused or same_plan)):
            raise Different(f"{where}: replayed {run}, recorded {rows}")

    def _keeps_plan(self, shown: Targets) -> bool:
        return all(getattr(shown, name) == getattr(self._shown, name) for name in PLAN)

    def _is_put(self, shown: Targets, run: Run, paused: bool, same_plan: bool) -> bool:
        before = self._shown.from_round
        if paused or same_plan:
            right_round = shown.from_round == (0.0 if paused else before)
        else:
            right_round = shown.from_round > before
        return right_round and shown.local_steps == run.targets.local_steps

    def _show(self, version: int, shown: Targets) -> None:
        if version != len(self._schedule.targets) + 1:
            raise Different(f"version {version} follows {len(self._schedule.targets)}")
        self._shown = shown
        self._schedule.targets[version] = shown
        self._schedule.sizes[version] = self._sizes
