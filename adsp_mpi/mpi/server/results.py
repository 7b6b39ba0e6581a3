"""Writes the results of a run: the model, the merged trace and the last table."""

from dataclasses import dataclass
from pathlib import Path

from adsp_mpi.core.report import Report, board_report
from adsp_mpi.errors import AdspError, warn
from adsp_mpi.mpi.server.loop import Server
from adsp_mpi.mpi.setup import Prepared
from adsp_mpi.runtime.checkpoint_files import whole_checkpoints
from adsp_mpi.runtime.server_trace import ServerTrace
from adsp_mpi.screen import show_report
from adsp_mpi.trace import schema
from adsp_mpi.trace.merge import merge_parts


@dataclass(frozen=True)
class Result:
    """The result of a run that ended well, on rank 0."""

    report: Report
    trace_path: Path
    model_path: Path


def write_results(
    ready: Prepared, server: Server, trace: ServerTrace
) -> tuple[Result, AdspError | None]:
    """Write model, merged trace and the last table; AdspError if the disk is full."""
    unwritten = [] if server.saved else ["a checkpoint could not be written"]
    server.events.ended(server.ended_s, server.reason)
    trace.part.close()
    model_path = server.model_path("model")
    try:
        server.write_models()
    except (OSError, RuntimeError) as error:
        unwritten.append(f"{model_path} could not be written: {str(error).splitlines()[0]}")
    unwritten += [
        f"{server.model_path(name)} could not be written: {reason}"
        for name, reason in server.files.failed.items()
    ]
    if server.trace_is_cut:
        unwritten.append("the trace is cut")
    trace_path, left_out = ready.folder / schema.TRACE_NAME, list[str]()
    try:
        goes_on = bool(whole_checkpoints(ready.folder))
        trace_path, left_out = merge_parts(ready.folder, keep=goes_on)
    except (OSError, RuntimeError) as error:
        unwritten.append(f"the trace stays in parts: {str(error).splitlines()[0]}")
    report = board_report(
        ready.attributes(),
        server.board,
        server.progress,
        server.reason,
        server.ended_s,
        ready.config.stop.target_loss,
        [conditions.step_time_s for conditions in ready.profile.workers],
    )
    if ready.config.run.screen != "quiet":
        show_report(report, {"trace": str(trace_path), "model": str(model_path)})
    for text in left_out:
        warn(text)
    failure = AdspError(f"training is over, but {'; '.join(unwritten)}") if unwritten else None
    return Result(report, trace_path, model_path), failure
