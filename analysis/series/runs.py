"""Labels and colours of runs and workers, and the phases of the scheduler, for figures."""

from typing import Sequence

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.panel import OfRun, OfWorker, Span

PHASE_PLACES = 800
"""Gaps between phases shorter than this fraction of a run are closed."""


def run_labels(runs: Sequence[RunTrace]) -> list[str]:
    """Labels: the schemes, or, for runs of the same scheme, enough of the path to differ."""
    folders = [trace.folder for trace in runs]
    choices = [
        [str(trace.said("model", "") or trace.name) for trace in runs],
        [trace.name for trace in runs],
        ["/".join(folder.parts[-2:]) for folder in folders],
    ]
    distinct = (labels for labels in choices if len(set(labels)) == len(labels))
    return next(distinct, [f"{label} ({n})" for n, label in enumerate(choices[1], 1)])


def run_paint(label: str, trace: RunTrace) -> OfRun:
    return OfRun(label, str(trace.said("model", "")))


def worker_paints(trace: RunTrace) -> list[OfWorker]:
    """The colour of each worker in `trace.workers`."""
    return [OfWorker(worker, trace.speeds[worker]) for worker in trace.workers]


def phase_spans(trace: RunTrace) -> tuple[Span, ...]:
    """The spans of the scheduler's phases other than training; short gaps are closed."""
    times_s, phases = trace.targets["time_s"], trace.targets["phase"]
    spans: list[Span] = []
    for from_s, to_s, phase in zip(times_s, trace.targets_until_s, phases, strict=True):
        name = phase.decode(errors="replace")
        if name == "train":
            continue
        first_s = float(from_s)
        if (
            spans
            and spans[-1].name == name
            and first_s - spans[-1].to_s < trace.end_s / PHASE_PLACES
        ):
            first_s = spans.pop().from_s
        spans.append(Span(first_s, float(to_s), name))
    return tuple(spans)
