"""The runs on which the contract is checked: every synchronization scheme, on either engine."""

from dataclasses import dataclass
from pathlib import Path

from adsp_mpi.config import Config
from adsp_mpi.layers import parse_setting, preset_layer

WORKERS = 4
BATCH_SIZE = 32

PROFILE = """
step_time_s = [0.004, 0.007, 0.013, 0.03]
delay_s = [0.0, 0.003, 0.006, 0.003]
[[change]]
jitter = 0.3
[[change]]
workers = [1]
from_s = 0.5
to_s = 1.5
slowdown = 4
"""
"""Steps with jitter, a straggler, and commits that are under way for a while."""


@dataclass(frozen=True)
class Case:
    """Train with the model `name` for at most `seconds`, with these settings.

    Where something must have happened by the end, the run ends by steps or by the scheduler's
    periods, and is as short as that allows: under MPI all cases are one launch.
    """

    name: str
    seconds: float
    settings: tuple[str, ...] = ()


CASES = {
    case.name: case
    for case in (
        Case("asp", 20, ("stop.max_steps=30", "checkpoint.period_s=0.1")),
        Case(
            "adsp-fixed",
            20,
            (
                "stop.max_steps=24",
                "sync.check_period_s=0.1",
                "sync.commit_rate=2",
            ),
        ),
        Case(
            "adsp",
            3.5,
            ("sync.check_period_s=0.5", "sync.epoch_s=2.0", "sync.min_commit_interval_s=0.125"),
        ),
        Case(
            "adsp-plus",
            3,
            (
                "sync.check_period_s=0.4",
                "sync.trial_rates=[1,3]",
                "sync.trial_periods=1",
            ),
        ),
        Case("ssp", 20, ("sync.staleness=3", "stop.max_steps=30")),
        Case("bsp", 20, ("stop.max_steps=14",)),
        Case("fixed-adacomm", 20, ("sync.local_steps=3", "stop.max_steps=35")),
        Case(
            "adacomm",
            20,
            ("sync.trial_local_steps=[6]", "sync.check_period_s=0.25", "stop.max_steps=90"),
        ),
        Case("batchtune-bsp", 20, ("sync.check_period_s=0.2", "stop.max_steps=40")),
        Case(
            "batchtune-fixed-adacomm",
            20,
            ("sync.check_period_s=0.2", "sync.local_steps=2", "stop.max_steps=40"),
        ),
        Case("wbsp", 1.2),
    )
}


def config_of(case: Case, profile: Path, out: Path) -> Config:
    """The configuration that both engines get."""
    settings = (
        "task.name=cancer-svm",
        f"sync.model={case.name}",
        f"hetero.profile={profile}",
        f"simulate.workers={WORKERS}",
        f"stop.max_seconds={case.seconds}",
        "stop.target_loss=0.0",
        "eval.period_s=0.2",
        f"run.out={out}",
        "run.screen=quiet",
    )
    given = [parse_setting(setting) for setting in (*settings, *case.settings)]
    return Config().with_layers(preset_layer("quickstart"), given)
