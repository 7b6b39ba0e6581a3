"""The trace schema, version 2: the tables and the meaning of their columns.

A trace is one HDF5 file. The root's attributes say what was run (config as TOML, seed, versions,
hosts). Every table is a one-dimensional compound dataset; times are float64 seconds since the
start of the run on rank 0's clock; each dataset's `columns` attribute gives the units as JSON.

    /workers/N/steps, commits, pulls, waits  what worker N did; the group's attributes say where
    /ps/evals                           evaluations; columns after `landed` are the task's own
    /ps/targets                         every change of the scheduler's targets
    /ps/observed, observed_workers      what the scheduler saw, each time it decided
    /ps/<name>                          what a synchronization scheme reports, e.g. /ps/search
    /events                             rare events on any rank, sorted by time

The version stays when a table or a column is added, and rises when one is removed or changes its
meaning. A trace of another version is refused; its `versions` attribute names the adsp_mpi that
can read it.

The last columns of a worker's rows are what its decision was based on. With them and /ps/observed
every decision of a run can be replayed.
"""

from typing import Any, Mapping

import h5py
import numpy as np

FORMAT = "adsp_mpi trace"
VERSION = 2
TRACE_NAME = "trace.h5"
PARTS_NAME = "parts"

Columns = tuple[tuple[str, str, str], ...]
Row = tuple[Any, ...]

DECISION: Columns = (
    ("version", "i4", "of the targets that the worker followed when it decided this"),
    ("seen", "f8", "smallest count on the board that it looked at for this; NaN: at none"),
)
STEPS: Columns = (
    ("start_s", "f8", "s since start: the step begins"),
    ("compute_s", "f8", "s of computing"),
    ("sleep_s", "f8", "s of injected sleep after it"),
    ("loss", "f4", "loss of the mini-batch before the step"),
    ("batch_size", "i4", "samples in the mini-batch"),
    *DECISION,
)
COMMITS: Columns = (
    ("begun_s", "f8", "s since start: the update is taken"),
    ("done_s", "f8", "s since start: it has landed and the local model is rebased"),
    ("number", "i4", "1 for the worker's first commit"),
    ("steps", "i4", "local steps in it"),
    ("staleness", "i4", "commits of others that landed between its base and itself"),
    ("blocked_s", "f4", "s in which the worker could not train because of it"),
    ("sent_bytes", "i8", "bytes of the update"),
    *DECISION,
)
PULLS: Columns = (
    ("start_s", "f8", "s since start: the worker asks for the global model"),
    ("duration_s", "f4", "s until it holds it"),
    ("keep_local", "u1", "1: what was learnt since the last commit stays on top"),
    *DECISION,
)
WAITS: Columns = (
    ("start_s", "f8", "s since start: the worker begins to wait"),
    ("duration_s", "f4", "s waited"),
    ("reason", "S24", "what for"),
    *DECISION,
)
WORKER_TABLES = {"steps": STEPS, "commits": COMMITS, "pulls": PULLS, "waits": WAITS}
TARGETS: Columns = (
    ("time_s", "f8", "s since start: in force from here on"),
    ("version", "i4", "counts the changes"),
    ("commit_target", "f8", "C_target, commits every worker shall have reached at the next check"),
    ("commit_rate", "f8", "commits per check period"),
    ("check_period_s", "f8", "Gamma, s"),
    ("local_steps", "f8", "tau, steps"),
    ("from_round", "f8", "local_steps and batch sizes hold from this round on"),
    ("since_s", "f8", "s since start: the check period began"),
    ("implicit_momentum", "f8", "mu of the commits due, AAAI 2020, Theorem 1; NaN without such"),
    ("phase", "S16", "what the scheduler is doing"),
)
EVALS: Columns = (
    ("time_s", "f8", "s since start: the model was read"),
    ("duration_s", "f8", "s that the evaluation took"),
    ("steps", "i8", "steps of all workers"),
    ("landed", "i8", "commits of all workers in the model"),
    ("trial", "u1", "1: in a trial, does not count for the target"),
)
OBSERVED: Columns = (
    ("time_s", "f8", "s since start: the scheduler decides"),
    ("evals_from", "i4", "first row of /ps/evals that it sees"),
    ("evals_to", "i4", "the row after the last one"),
    ("raised_commits", "f8", "by which the commit target lies over the scheduler's own"),
)
OBSERVED_WORKERS: Columns = (
    ("observation", "i4", "row of /ps/observed"),
    ("worker", "i4", ""),
    ("steps", "i8", "so far"),
    ("commits", "i8", "so far"),
    ("sample_s", "f8", "recent s per sample; 0: unknown yet"),
    ("training_s", "f8", "s of computing and injected sleep so far"),
    ("commit_s", "f8", "s so far in which it could not train because of commits"),
    ("present", "u1", "1: takes part"),
)
EVENTS: Columns = (
    ("time_s", "f8", "s since start"),
    ("rank", "i4", "MPI rank that tells it; rank 0 steers the run"),
    ("kind", "str", "one word"),
    ("text", "str", "the event in words"),
)


def numpy_dtype(columns: Columns) -> np.dtype:
    """The compound dtype of a table; `str` columns are variable-length UTF-8."""
    return np.dtype([(n, h5py.string_dtype() if t == "str" else t) for n, t, _ in columns])


def refusal(attributes: Mapping[str, Any]) -> str:
    """The reason why a file with these root attributes cannot be read; "" if it can."""
    if attributes.get("format") != FORMAT:
        return "an HDF5 file, but not a trace of adsp_mpi"
    version = attributes.get("version")
    if version == VERSION:
        return ""
    return (
        f"trace version {version}, this program reads {VERSION}: "
        "use the adsp_mpi that its `versions` attribute names"
    )


def float_columns(names: list[str]) -> Columns:
    """The columns of a table whose column names are known only at run time; all float64."""
    units = {"time_s": "s since start"}
    return tuple((name, "f8", units.get(name, "")) for name in names)
