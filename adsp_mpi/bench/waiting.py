"""Part `waiting`: the CPU time of ranks that wait."""

import time
from pathlib import Path

import numpy as np

from adsp_mpi.bench.findings import Bar, Findings
from adsp_mpi.bench.part import Bench
from adsp_mpi.bench.runs import configured, run
from adsp_mpi.config import Config
from adsp_mpi.mpi.ranks.periodic import PeriodicThread

SLOW_STEP_S, FAST_STEP_S = 1.0, 0.01
RUN, MEASURED = 24, 16
"""Lengths of a loop of commits that the run takes, and the stretch of it that is measured."""

LOOK_S = 0.1
SHARE = 3.0


def measure(bench: Bench) -> Findings:
    """Collective: BSP with one slow worker, so that rank 0 and the others wait 99% of the time.

    The time includes the one step that a waiting worker takes each second.
    """
    world = bench.world
    seconds = RUN * bench.seconds
    bench.tell(f"ranks that wait, {seconds:g} s")
    profile = bench.folder / "waiting.toml"
    world.agree(lambda: _write_profile(profile, world.num_workers) if world.is_server else None)
    config = world.agree(lambda: _config(profile, seconds))
    clock = CpuClock()
    with clock:
        run(bench, world.comm.size, config)
    shares = world.allgather(clock.share(MEASURED * bench.seconds))
    server, waiting = 100 * shares[0], 100 * float(np.max(shares[1:-1] or [0.0]))
    lines = [
        f"CPU of rank 0 between evaluations {server:.2f}% of a core, "
        f"of waiting workers at most {waiting:.2f}%"
    ]
    bars = [
        Bar("CPU of rank 0 between evaluations", server, SHARE, unit="%"),
        Bar("CPU of a waiting worker", waiting, SHARE, unit="%"),
    ]
    return Findings(lines, [{"cpu_shares": shares}], bars)


class CpuClock(PeriodicThread):
    """A context that samples this process's CPU time again and again."""

    def __init__(self) -> None:
        super().__init__(self._look, LOOK_S)
        self._looks: list[tuple[float, float]] = []

    def _look(self) -> None:
        self._looks.append((time.monotonic(), time.process_time()))

    def share(self, seconds: float) -> float:
        """The share of a core in the quietest stretch of `seconds`, without start and end."""
        count = min(int(seconds / LOOK_S), len(self._looks) - 1)
        pairs = zip(self._looks, self._looks[count:], strict=False)
        return min((cpu - cpu0) / (now - now0) for (now0, cpu0), (now, cpu) in pairs)


def _write_profile(path: Path, workers: int) -> None:
    path.write_text(f"step_time_s = {[FAST_STEP_S] * (workers - 1) + [SLOW_STEP_S]}\n")


def _config(profile: Path, seconds: float) -> Config:
    return configured(
        {"sync": {"model": "bsp", "check_period_s": 1000.0}},
        {"hetero": {"profile": str(profile), "step_time_s": 0.0}},
        {"stop": {"target_loss": 0.0, "max_seconds": seconds}},
        {"eval": {"period_s": 1000.0}},
    )
