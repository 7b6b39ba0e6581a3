"""Comparisons in virtual time. A new one is a file here and a line below."""

from typing import TYPE_CHECKING

from adsp_mpi.core.registry import load
from adsp_mpi.errors import UsageError

if TYPE_CHECKING:
    from adsp_mpi.analysis.experiments.experiment import Experiment

EXPERIMENTS = {
    "models": "adsp_mpi.analysis.experiments.models:EXPERIMENT",
    "models_cnn": "adsp_mpi.analysis.experiments.models:CNN",
    "heterogeneity": "adsp_mpi.analysis.experiments.heterogeneity:EXPERIMENT",
    "workers": "adsp_mpi.analysis.experiments.workers:EXPERIMENT",
    "delay": "adsp_mpi.analysis.experiments.delay:EXPERIMENT",
    "commit_rate": "adsp_mpi.analysis.experiments.commit_rate:EXPERIMENT",
    "commit_rate_not_blocking": "adsp_mpi.analysis.experiments.commit_rate:FREE",
    "breakdown": "adsp_mpi.analysis.experiments.breakdown:EXPERIMENT",
    "traffic": "adsp_mpi.analysis.experiments.traffic:EXPERIMENT",
    "batchtune": "adsp_mpi.analysis.experiments.batchtune:EXPERIMENT",
    "adsp_plus": "adsp_mpi.analysis.experiments.adsp_plus:EXPERIMENT",
    "profiles": "adsp_mpi.analysis.experiments.profiles:EXPERIMENT",
    "compress": "adsp_mpi.analysis.experiments.compress:EXPERIMENT",
    "many_workers": "adsp_mpi.analysis.experiments.many_workers:EXPERIMENT",
}
"""The paper's comparisons."""

OF_EXAMPLES = {
    "examples": "adsp_mpi.analysis.experiments.examples:EXPERIMENT",
}
"""What needs packages or data beside the program's own."""

ALL = {**EXPERIMENTS, **OF_EXAMPLES}


def load_experiment(name: str) -> "Experiment":
    """The experiment behind a name of `ALL` or `package.module:EXPERIMENT`."""
    try:
        return load("experiment", name, ALL, "EXPERIMENT")
    except ValueError as error:
        raise UsageError(str(error)) from error
