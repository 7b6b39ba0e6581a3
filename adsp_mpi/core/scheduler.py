"""Runs the scheduler half of a scheme for either engine."""

from dataclasses import fields, replace
from typing import Callable, Sequence

import numpy as np

from adsp_mpi.core.actions import Observed, Restore, Run, Setup, Snapshot, Targets, Tell
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.theory import implicit_momentum
from adsp_mpi.errors import AdspError

Command = Run | Snapshot | Restore

COLUMNS = tuple(f.name for f in fields(Observed) if f.name not in ("now", "losses"))


class Scheduler:
    """Feeds observations to the generator and returns its commands; `Tell`s go to `on_tell`.

    A generator cannot be saved, but `observations` can: a new Scheduler that is fed the same ones
    in the same order is in the same state.
    """

    def __init__(
        self, model: SyncModel, setup: Setup, first: Observed, on_tell: Callable[[Tell], None]
    ) -> None:
        self.observations = [first]
        self.on_tell = on_tell
        self._name = type(model).__name__
        self._generator = model.scheduler(first, setup)
        self.command = self._untold(self._send(None), first)

    def advance(self, seen: Observed) -> Command:
        """The next command, after the current one was carried out and `seen` was observed."""
        self.observations.append(seen)
        self.command = self._untold(self._send(seen), seen)
        return self.command

    def state_dict(self) -> dict[str, np.ndarray]:
        """All that it has observed, for `observations_of`; a new scheduler continues from it."""
        return observations_state(self.observations)

    def _send(self, seen: Observed | None) -> Command | Tell:
        try:
            action = self._generator.send(seen)  # type: ignore[arg-type]
        except StopIteration:
            raise AdspError(f"{self._name}.scheduler ended; it must yield for ever") from None
        if not isinstance(action, Run | Snapshot | Restore | Tell):
            raise AdspError(f"{self._name}.scheduler yielded {action!r}: no scheduler action")
        return action

    def _untold(self, action: Command | Tell, seen: Observed) -> Command:
        while isinstance(action, Tell):
            self.on_tell(action)
            action = self._send(seen)
        return action


def put_on_board(run: Run, board: Board, paused: bool) -> bool:
    """Put the targets and batch sizes of `run` on the board; False if a part has to wait.

    A new plan (local steps, batch sizes) holds from the second round after the latest that any
    worker has committed, so that all change in the same one; see `is_late`. The plan waits while
    some worker may still have to see the plan before; then call again. If all workers are `paused`,
    they adopt it at once.
    """
    sizes = np.array(run.batch_sizes or np.zeros(board.num_workers))
    before = board.targets
    same_plan = run.targets.local_steps == before.local_steps and (sizes == board.batch_sizes).all()
    settled = board.minimum("rounds") > before.from_round or not before.from_round
    if paused or same_plan or settled:
        from_round = before.from_round if same_plan else float(board.column("rounds").max()) + 2
        board.batch_sizes[:] = sizes
        board.targets = replace(run.targets, from_round=0.0 if paused else from_round)
        return True
    plan = replace(run.targets, local_steps=before.local_steps, from_round=before.from_round)
    if plan != before:
        board.targets = plan
    return False


def is_late(before: Targets, board: Board) -> bool:
    """Whether a worker may have begun a new plan's first round before the plan was on the board.

    `before` are the board's targets before `put_on_board`. It needs a rank 0 that stands still for
    two rounds between reading the counts and writing the plan; some workers then take the plan up
    a round later than others.
    """
    from_round = board.targets.from_round
    return from_round > before.from_round and bool(board.column("rounds").max() >= from_round)


def momentum_of(board: Board) -> float:
    """The implicit momentum of the commits due under the board's targets; NaN if none are due.

    Only present workers count; for one without due commits the commit rate is taken.
    """
    targets, present = board.targets, board.present
    training_s = (board.column("compute_s") + board.column("sleep_s"))[present]
    steps = (board.column("steps") - board.column("excused_steps"))[present]
    if not targets.commit_rate or not len(steps) or not (steps > 0).all():
        return float("nan")
    due = targets.commit_target - board.column("begun")[present]
    due = np.where(due > 0, due, targets.commit_rate)
    return implicit_momentum(due, targets.check_period_s * steps / training_s)


def observe(now: float, board: Board, raised_commits: float) -> Observed:
    """The observation of the present board for the scheduler, without losses."""
    return Observed(
        now=now,
        losses=(),
        raised_commits=raised_commits,
        steps=board.column("steps").copy(),
        commits=board.column("commits").copy(),
        sample_s=board.column("sample_s").copy(),
        training_s=board.column("compute_s") + board.column("sleep_s"),
        commit_s=board.column("commit_s").copy(),
        present=board.present,
    )


def observations_state(observations: Sequence[Observed]) -> dict[str, np.ndarray]:
    """All that a scheduler saw: by column [K, M], the losses of all one after the other [L, 2]."""
    columns = {name: np.array([getattr(seen, name) for seen in observations]) for name in COLUMNS}
    losses = [pair for seen in observations for pair in seen.losses]
    return columns | {
        "now": np.array([seen.now for seen in observations]),
        "num_losses": np.array([len(seen.losses) for seen in observations]),
        "losses": np.array(losses, float).reshape(-1, 2),
    }


def observations_of(state: dict[str, np.ndarray]) -> list[Observed]:
    """What `observations_state` was given."""
    ends = np.cumsum(state["num_losses"])
    pairs = [(float(s), float(loss)) for s, loss in state["losses"]]
    return [
        Observed(
            now=float(now),
            losses=tuple(pairs[end - count : end]),
            **{name: state[name][k] for name in COLUMNS},
        )
        for k, (now, end, count) in enumerate(
            zip(state["now"], ends, state["num_losses"], strict=True)
        )
    ]
