"""The base setting that the experiments share: the paper's, on a task that fits any machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adsp_mpi.config import Config

Values = dict[str, dict[str, Any]]

SETTING: Values = {
    "task": {"name": "digits-mlp"},
    "train": {"batch_size": 32, "local_lr": 0.1, "lr_decay": 0.5, "lr_decay_steps": 5000.0},
    "sync": {"check_period_s": 60.0},
    "hetero": {"profile": "paper:1.45", "step_time_s": 0.68, "delay_s": 14.0},
    "eval": {"period_s": 10.0, "samples": 0},
    "stop": {"target_loss": 0.1, "max_seconds": 40000.0},
    "simulate": {"workers": 18},
}
"""AAAI 2020, section 5, at the pace of its laboratory: the slowest step takes 1.5 s, a commit 14 s.

The model is small, so that all of it is simulated within the hour; `models_cnn` has a larger one.
"""

BETTER_SEARCH = "interleaved"
"""This package's own search; the other value of `sync.search` is the paper's."""

PUBLISHED = "adsp as published"
ADSP = "adsp"

SYNC: dict[str, dict[str, Any]] = {
    PUBLISHED: {"model": "adsp", "epoch_s": 1200.0, "search": "paper", "blocking_commits": True},
    ADSP: {"model": "adsp", "epoch_s": 1200.0, "search": BETTER_SEARCH},
    "adsp-fixed": {"model": "adsp-fixed", "blocking_commits": True},
    "adsp-plus": {"model": "adsp-plus", "blocking_commits": True},
    "ssp": {"model": "ssp", "staleness": 40, "blocking_commits": True},
}
"""The `[sync]` values of the rows that are not a scheme with its defaults.

In the paper a commit blocks its worker and the search climbs by one; `adsp` is this package's
default, with commits that do not block and its own search.
"""

FIVE_MODELS = (ADSP, PUBLISHED, "adacomm", "fixed-adacomm", "ssp", "bsp")
"""The paper's five schemes, with ADSP as here and as published."""


@dataclass(frozen=True)
class Setting:
    """The base configuration from which an experiment builds its cases."""

    base: Config
    folder: Path  # for the profile files of an experiment

    def config(self, label: str, values: Values | None = None) -> Config:
        """The base configuration with the scheme of `label`, and with `values` over it."""
        sync = SYNC.get(label, {"model": label})
        config = self.base.with_values({"sync": sync}, f"experiment, {label}")
        return config.with_values(values or {}, f"experiment, {label}")


def paper_setting(folder: Path) -> Setting:
    """The base setting; profile files go to `folder`."""
    return Setting(Config().with_values(SETTING, "base setting"), folder)
