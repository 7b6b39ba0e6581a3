"""Rank 0's part of a trace, for both engines."""

from pathlib import Path

from adsp_mpi.core.actions import Observed, Tell
from adsp_mpi.core.board import TARGET_FIELDS, Board
from adsp_mpi.core.scheduler import momentum_of
from adsp_mpi.trace import part_log, schema
from adsp_mpi.trace.memory_writer import MemoryPart
from adsp_mpi.trace.part_writer import PartWriter


def part_path(folder: Path, number: int) -> Path:
    """The file for part `number` of the trace of the run in `folder`.

    With rank 0 as the only server, a part has the number of its rank.
    """
    return folder / schema.PARTS_NAME / f"rank-{number:05d}{part_log.SUFFIX}"


class ServerTrace:
    """Records evaluations, targets and what the scheduler observed."""

    def __init__(self, part: PartWriter | MemoryPart) -> None:
        self.part = part
        self.part.add_table("ps/targets", schema.TARGETS)
        self.part.add_table("ps/observed", schema.OBSERVED)
        self.part.add_table("ps/observed_workers", schema.OBSERVED_WORKERS)
        self._observations = 0
        self._evaluations = 0

    @property
    def counts(self) -> list[int]:
        """Rows of /ps/observed and /ps/evals so far, for `resume`."""
        return [self._observations, self._evaluations]

    def resume(self, counts: list[int]) -> None:
        self._observations, self._evaluations = counts

    def targets(self, now: float, board: Board, phase: str) -> None:
        numbers = [getattr(board.targets, name) for name in TARGET_FIELDS]
        self.part.append("ps/targets", now, board.version, *numbers, momentum_of(board), phase)

    def evaluation(
        self, now: float, duration_s: float, board: Board, trial: bool, metrics: dict[str, float]
    ) -> None:
        if not self.part.has_table("ps/evals"):
            columns = schema.EVALS + tuple((name, "f8", "") for name in metrics)
            self.part.add_table("ps/evals", columns)
        steps = int(board.column("steps").sum())
        self.part.append("ps/evals", now, duration_s, steps, board.landed, trial, *metrics.values())
        self._evaluations += 1

    def outer_step(self, now: float, norm: float) -> None:
        """Rank 0 has added a vector of this norm to the global model."""
        self.part.event(now, "outer step", f"added a vector of norm {norm:.6g}")

    def told(self, now: float, told: Tell) -> None:
        self.part.append_named(f"ps/{told.table}", {"time_s": now, **told.values})

    def observed(self, seen: Observed) -> None:
        first = self._evaluations - len(seen.losses)
        self.part.append("ps/observed", seen.now, first, self._evaluations, seen.raised_commits)
        names = (name for name, _, _ in schema.OBSERVED_WORKERS[2:])
        columns = [getattr(seen, name) for name in names]
        for worker, numbers in enumerate(zip(*columns, strict=True)):
            self.part.append("ps/observed_workers", self._observations, worker, *numbers)
        self._observations += 1
