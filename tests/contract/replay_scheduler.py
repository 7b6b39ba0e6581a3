"""Replays the scheduler half: the recorded observations must give the recorded targets."""

import math
from dataclasses import dataclass, field, fields, replace
from itertools import takewhile

import numpy as np

from adsp_mpi.core.actions import Observed, Restore, Run, Targets, Tell
from adsp_mpi.core.longer_period import LongerPeriod
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


def targets_in(row: np.void) -> Targets:
    """The targets in a row of ps/targets."""
    return Targets(*(float(row[f.name]) for f in fields(Targets)))


class Board:
    """What the workers were shown, row by row of ps/targets."""

    def __init__(self, recording: Recording) -> None:
        self._observations = recording.observations
        self._times = [seen.now for seen in recording.observations]
        self._rows = list(recording.tables["ps/targets"])
        self._shown = Targets()
        self._phase = b""
        self._sizes: tuple[int, ...] = ()
        self._longer = LongerPeriod()
        self._run_end_s = 0.0
        self._schedule = Schedule()

    def compare(self, commands: list[Command]) -> Schedule:
        """Compare every command with the rows of the check period that it opened.

        While the end of a period is judged the target rises, after the next command's observation.
        """
        paused = False
        for k, command in enumerate(commands):
            where = f"the scheduler's command {k} at {self._times[k]:.6f} s"
            self._raise_until(self._times[k])
            self._compare_raised(where, self._observations[k])
            if isinstance(command, Run):
                rows = self._take_rows(where, k)
                run = self._raised(command, float(rows[0]["since_s"]))
                self._compare_run(where, run, rows, self._end_s(k), paused or k == 0)
                if self._end_s(k) < self._times[k] + command.seconds:
                    raise Different(f"{where}: {command} was over at {self._end_s(k)} s")
            else:
                self._pause(command, k, paused)
            paused = not isinstance(command, Run)
        self._raise_until(math.inf)
        if self._rows:
            raise Different(f"after the scheduler's last command: recorded {self._rows}")
        return self._schedule

    def _take_rows(self, where: str, k: int) -> list[np.void]:
        """The rows that command `k` left: those of a check period that began before its end."""
        self._raise_until(math.inf)
        begun_s = self._rows[0]["since_s"] if self._rows else math.inf
        if not self._times[k] <= begun_s < self._end_s(k):
            raise Different(f"{where}: no row of it; recorded {self._rows[:1]}")
        rows = list(takewhile(lambda row: row["since_s"] == begun_s, self._rows))
        del self._rows[: len(rows)]
        return rows

    def _raised(self, run: Run, begun_s: float) -> Run:
        """`run`, begun at this moment, with its commit target as it is put on the board."""
        raised = self._longer.raised_until(begun_s, self._run_end_s, self._shown)
        self._longer, self._run_end_s = LongerPeriod(raised), begun_s + run.seconds
        target = run.targets.commit_target + raised
        return replace(run, targets=replace(run.targets, commit_target=target))

    def _raise_until(self, end_s: float) -> None:
        """Take the next rows, up to `end_s`, that raise the target of the present check period."""
        while self._rows and self._rows[0]["time_s"] <= end_s:
            row = self._rows[0]
            if row["time_s"] < self._longer.raise_s(self._run_end_s, self._shown):
                return
            after = replace(self._longer)
            raised = after.next(self._run_end_s, self._shown)
            if targets_in(row) != raised or row["phase"] != self._phase:
                return
            self._longer = after
            self._show(row, raised)
            del self._rows[0]

    def _compare_raised(self, where: str, seen: Observed) -> None:
        raised = self._longer.raised_until(seen.now, self._run_end_s, self._shown)
        if seen.raised_commits != raised:
            raise Different(
                f"{where}: recorded raised_commits {seen.raised_commits}, replayed {raised}"
            )

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
        self, where: str, run: Run, rows: list[np.void], end_s: float, paused: bool
    ) -> None:
        """`rows` must be what putting `run` on the board leaves: its numbers at once; its plan
        (local steps, batch sizes) too or, while the plan before is not settled, later or never.
        """
        same_plan = (run.targets.local_steps, run.batch_sizes) == (
            self._shown.local_steps, self._sizes,
        )  # fmt: skip
        put = False
        for row in rows:
            shown = targets_in(row)
            same_numbers = all(getattr(shown, n) == getattr(run.targets, n) for n in NUMBERS)
            same_numbers &= shown.since_s <= row["time_s"] <= end_s
            if put or not same_numbers or row["phase"].decode() != run.phase:
                raise Different(f"{where}: replayed {run}, recorded {rows}")
            put = paused or same_plan or not self._keeps_plan(shown)
            if put and not self._is_put(shown, run, paused, same_plan):
                raise Different(f"{where}: replayed {run}, recorded {shown}")
            self._sizes = run.batch_sizes if put else self._sizes
            self._show(row, shown)
        if not put and (paused or same_plan):
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

    def _show(self, row: np.void, shown: Targets) -> None:
        version = int(row["version"])
        if version != len(self._schedule.targets) + 1:
            raise Different(f"version {version} follows {len(self._schedule.targets)}")
        self._shown, self._phase = shown, row["phase"]
        self._schedule.targets[version] = shown
        self._schedule.sizes[version] = self._sizes
