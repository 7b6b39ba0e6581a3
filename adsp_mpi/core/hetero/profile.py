"""Profiles of injected heterogeneity: each worker's speed, commit delay and bandwidth over time."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Sequence

import numpy as np

from adsp_mpi.core.hetero.changes import Change, Death, LinkChange, Replay, SpeedChange, Stall


@dataclass(frozen=True, slots=True)
class Conditions:
    """What is injected into one worker; the defaults inject nothing."""

    step_time_s: float = 0.0  # the time of a step, with `slowdown` in it; 0: see `slowdown`
    slowdown: float = 1.0  # without a step time, a step takes its real time times this
    delay_s: float = 0.0  # of every commit
    bandwidth_mb_s: float = 0.0  # of the worker's link; 0: no limit
    busy_s: float = 0.0  # for which a commit or pull occupies even a non-blocking worker; simulated

    def commit_delay_s(self, megabytes: float) -> float:
        """The seconds by which a commit of this size is delayed."""
        transfer = megabytes / self.bandwidth_mb_s if self.bandwidth_mb_s else 0.0
        return self.delay_s + transfer


@dataclass(frozen=True)
class Profile:
    """The base conditions of every worker, and their changes over time.

    With `relative` the step times are multiples of the fastest worker's, which must be known.
    Factors of overlapping changes multiply; of overlapping delays or bandwidths the last one holds.
    """

    workers: tuple[Conditions, ...]
    relative: bool = False
    changes: tuple[Change, ...] = ()

    @classmethod
    def from_durations(cls, durations: Sequence[np.ndarray]) -> "Profile":
        """The profile that replays recorded steps, and begins again at their end.

        `durations` holds one array [steps] of seconds per worker. The base step times are their
        means, so that H is the recorded one. ValueError if a worker has no steps, or for durations
        that are not above 0.
        """
        for i, recorded in enumerate(durations):
            if not len(recorded) or not (np.isfinite(recorded) & (recorded > 0)).all():
                raise ValueError(f"worker {i}: step durations must be given and be above 0")
        means_s = [float(np.mean(recorded)) for recorded in durations]
        factors = [
            np.asarray(recorded) / mean_s
            for recorded, mean_s in zip(durations, means_s, strict=True)
        ]
        return cls(
            tuple(Conditions(mean_s) for mean_s in means_s),
            changes=(Replay(range(len(durations)), factors=factors),),
        )

    def with_delay(self, delay_s: float) -> "Profile":
        """A copy with `delay_s` added to every commit, except where a change sets the delay."""
        if not delay_s:
            return self
        workers = tuple(replace(c, delay_s=c.delay_s + delay_s) for c in self.workers)
        return replace(self, workers=workers)

    def with_step_time(self, step_time_s: float) -> "Profile":
        """A copy in which workers without a step time have this one."""
        workers = tuple(
            c if c.step_time_s else replace(c, step_time_s=step_time_s) for c in self.workers
        )
        return replace(self, workers=workers)

    def stretching(self) -> "Profile":
        """A copy without step times: every step takes its real time times the worker's factor."""
        fastest_s = min(c.step_time_s for c in self.workers)
        workers = tuple(
            replace(c, step_time_s=0.0, slowdown=c.step_time_s / fastest_s) for c in self.workers
        )
        return replace(self, workers=workers, relative=False)

    @property
    def faults(self) -> list[Death | Stall]:
        """The deaths and stalls among the changes, in the profile's order."""
        return [change for change in self.changes if isinstance(change, Death | Stall)]

    def steady(self, worker: int) -> Conditions | None:
        """The conditions of `worker` if they are the same during the whole run, else None."""
        return None if any(self._changes_of[worker]) else self.workers[worker]

    def at(self, worker: int, now: float, step: int = 0) -> Conditions:
        """The conditions of `worker` at `now` seconds since the start, in its step `step`."""
        base = self.workers[worker]
        speed_changes, link_changes = self._changes_of[worker]
        if not (speed_changes or link_changes):
            return base
        slowdown, delay_s, bandwidth_mb_s = base.slowdown, base.delay_s, base.bandwidth_mb_s
        for change in speed_changes:
            if change.from_s <= now < change.to_s:
                slowdown *= change.factor(worker, now, step)
        for link in link_changes:
            if link.from_s <= now < link.to_s:
                if link.delay_s is not None:
                    delay_s = link.delay_s
                if link.bandwidth_mb_s is not None:
                    bandwidth_mb_s = link.bandwidth_mb_s
        step_time_s = base.step_time_s * slowdown
        return Conditions(step_time_s, slowdown, delay_s, bandwidth_mb_s, base.busy_s)

    @cached_property
    def _changes_of(self) -> list[tuple[list[SpeedChange], list[LinkChange]]]:
        """The changes that concern each worker, in the profile's order."""
        found: list[tuple[list[SpeedChange], list[LinkChange]]] = [([], []) for _ in self.workers]
        for change in self.changes:
            for worker in change.workers:
                if isinstance(change, SpeedChange):
                    found[worker][0].append(change)
                elif isinstance(change, LinkChange):
                    found[worker][1].append(change)
        return found
