"""The runs on which the contract is checked: every synchronization scheme, on either engine."""

from dataclasses import dataclass
from pathlib import Path

from adsp_mpi.config import Config
from adsp_mpi.layers import parse_setting, preset_layer

WORKERS = 4
BATCH_SIZE = 32

PROFILE = """
step_time_s = [0.006, 0.01, 0.02, 0.05]
delay_s = [0.0, 0.004, 0.008, 0.004]
[[change]]
jitter = 0.3
[[change]]
workers = [1]
from_s = 1
to_s = 2.5
slowdown = 4
"""
"""Steps with jitter, a straggler, and commits that are under way for a while."""


@dataclass(frozen=True)
class Case:
    """Train with the model `name` for `seconds`, with these settings."""

    name: str
    seconds: float
    settings: tuple[str, ...] = ()


CASES = {
    case.name: case
    for case in (
        Case("asp", 20, ("stop.max_steps=40", "checkpoint.period_s=0.5")),
        Case(
            "adsp-fixed",
            20,
            (
                "stop.max_steps=40",
                "sync.check_period_s=0.25",
                "sync.commit_rate=2",
            ),
        ),
        Case(
            "adsp",
            5.6,
            ("sync.check_period_s=0.8", "sync.epoch_s=3.2", "sync.min_commit_interval_s=0.2"),
        ),
        Case(
            "adsp-plus",
            2.8,
            (
                "sync.check_period_s=0.7",
                "sync.trial_rates=[1,3]",
                "sync.trial_periods=1",
            ),
        ),
        Case("ssp", 2.6, ("sync.staleness=3",)),
        Case("bsp", 2),
        Case("fixed-adacomm", 20, ("sync.local_steps=3", "stop.max_steps=35")),
        Case("adacomm", 5.6, ("sync.trial_local_steps=[9]", "sync.check_period_s=0.8")),
        Case("batchtune-bsp", 3, ("sync.check_period_s=0.8",)),
        Case("batchtune-fixed-adacomm", 3, ("sync.check_period_s=0.8", "sync.local_steps=2")),
        Case("wbsp", 2),
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
        "eval.period_s=0.25",
        f"run.out={out}",
        "run.screen=quiet",
    )
    given = [parse_setting(setting) for setting in (*settings, *case.settings)]
    return Config().with_layers(preset_layer("quickstart"), given)
