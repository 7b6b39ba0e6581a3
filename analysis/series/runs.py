"""What figures say of runs, their workers and their scheduler: labels, colours, phases."""

from typing import Sequence

from adsp_mpi.analysis.run_trace import RunTrace
from adsp_mpi.analysis.series.panel import OfRun, OfWorker, Span

PHASE_PLACES = 800
"""Gaps between phases that are shorter than one of so many parts of a run are closed."""


def run_labels(runs: Sequence[RunTrace]) -> list[str]:
    """The models; the folders where a model comes twice, as much of them as tells them apart."""
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
    """The colour of each of `trace.workers`."""
    return [OfWorker(worker, trace.speeds[worker]) for worker in trace.workers]


def phase_spans(trace: RunTrace) -> tuple[Span, ...]:
    """When the scheduler did anything but train, such as a search; short gaps are closed."""
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
