"""How soon does each example come to a held-out loss, by scheme and on the fastest machine alone?

Four workers under `ratio:3`, of which the fastest is 6 times as quick as the slowest and takes a
step in 0.02 s, train as the examples' scripts say, with the scripts' learning rates. A commit takes
0.01 s, the check period is 1 s, a round of `fixed-adacomm` has 8 steps. `alone` is the same script
on the fastest machine by itself: one worker, each of whose steps is in the model. The loss is that
of data that no worker trains on; the target is reached with the first of ten evaluations in a row
that are at or below it. `resnet_cifar` has half its width. The paper has no such comparison.
"""

import re
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Mapping, Sequence

from matplotlib.figure import Figure

from adsp_mpi.analysis.draw.style import WIDE_INCHES, legend_below, panels
from adsp_mpi.analysis.experiments.drawing import bars, patches
from adsp_mpi.analysis.experiments.experiment import Experiment
from adsp_mpi.analysis.experiments.result import PAPERS_VALUES, Case, Result, find, places_of
from adsp_mpi.analysis.experiments.setting import ADSP, Setting, Values
from adsp_mpi.analysis.spread import Spread
from adsp_mpi.config import Config
from adsp_mpi.tables import Table

SETTING: Values = {
    "sync": {"check_period_s": 1.0},
    "hetero": {"profile": "ratio:3", "step_time_s": 0.02, "delay_s": 0.01},
    "eval": {"period_s": 0.4},
    "simulate": {"workers": 4},
}
SYNC: dict[str, dict[str, Any]] = {
    ADSP: {"model": "adsp"},
    "asp": {"model": "asp"},
    "bsp": {"model": "bsp"},
    "fixed-adacomm": {"model": "fixed-adacomm", "local_steps": 8},
}
ALONE = "alone"
ONE_MACHINE: Values = {
    "sync": {"model": "asp"},
    "hetero": {"profile": "none", "delay_s": 0.0},
    "simulate": {"workers": 1},
}
GROUP_INCHES = 0.5


@dataclass(frozen=True)
class Example:
    """An example with its target.

    `most_s` is the length of its runs, if they are not at the target sooner, and of the learning
    rate's schedule, if there is one.
    """

    name: str
    target_loss: float
    most_s: float
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def config(self, label: str) -> Config:
        values: Values = {
            "task": {
                "name": "own-loop",
                "program": f"adsp_mpi.examples.{self.name}:train",
                **self.arguments,
            },
            "stop": {"target_loss": self.target_loss, "max_seconds": self.most_s},
            **(ONE_MACHINE if label == ALONE else {"sync": SYNC[label]}),
        }
        base = Config().with_values(SETTING, "examples")
        return base.with_values(values, f"example {self.name}, {label}")

    def marked_lines(self, mark: str) -> int:
        """The number of lines that are marked as `new` or `changed` against the plain script."""
        text = (resources.files("adsp_mpi") / "examples" / f"{self.name}.py").read_text()
        return len(re.findall(f"# {mark}$", text, re.M))


EXAMPLES = (
    Example("own_scheme", 0.2, 120.0),
    Example("lightning_trainer", 0.2, 120.0),
    Example("gan", 0.07, 120.0),
    Example("flights", 12.7, 120.0),
    Example("byte_transformer", 2.3, 60.0),
    Example("lora", 2.84, 60.0),
    Example("grapheme_to_phoneme", 0.4, 60.0),
    Example("hf_trainer", 2.25, 60.0),
    Example("resnet_cifar", 1.7, 40.0, {"width": 8}),
)
BY_NAME = {example.name: example for example in EXAMPLES}


def cases(setting: Setting) -> list[Case]:
    return [
        Case(label, example.config(label), at=example.name, tuned=False)
        for example in EXAMPLES
        for label in (ALONE, *SYNC)
    ]


def tables(results: Sequence[Result]) -> list[Table]:
    return [_times(results), _speedups(results)]


def _times(results: Sequence[Result]) -> Table:
    labels = (ALONE, *SYNC)
    rows = []
    for example in (BY_NAME[str(name)] for name in places_of(results)):
        found = [find(results, label, example.name) for label in labels]
        times = [result.time_s(PAPERS_VALUES).text(1) if result else "" for result in found]
        marked = [str(example.marked_lines(mark)) for mark in ("new", "changed")]
        rows.append([example.name, *marked, f"{example.target_loss:g}", *times])
    header = ["example", "lines new", "changed", "held-out loss", *labels]
    return Table(header, rows, title="Seconds to the held-out loss")


def _speedups(results: Sequence[Result]) -> Table:
    rows = [
        [str(name), *(speedup(results, label, str(name)).text(2) for label in SYNC)]
        for name in places_of(results)
    ]
    return Table(["example", *SYNC], rows, title="Time alone over time together")


def speedup(results: Sequence[Result], label: str, name: str) -> Spread:
    """The median time of the fastest machine alone over that of a scheme, with the range of the
    scheme's seeds. Infinite where the scheme, or the machine alone, is not there in time."""
    alone, together = find(results, ALONE, name), find(results, label, name)
    if not (alone and together):
        return Spread.of([])
    alone_s, time_s = alone.time_s(PAPERS_VALUES), together.time_s(PAPERS_VALUES)
    if not (alone_s.reached and time_s.reached):
        return Spread.of([])
    return Spread(*(alone_s.middle / s for s in (time_s.middle, time_s.high, time_s.low)))


def draw(results: Sequence[Result]) -> Figure:
    names = [str(name) for name in places_of(results)]
    figure, [axes] = panels()
    figure.set_size_inches(WIDE_INCHES, 1 + GROUP_INCHES * len(names))
    bars(axes, names, {label: [speedup(results, label, n) for n in names] for label in SYNC})
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("time of the fastest machine alone / time together")
    legend_below(figure, patches(list(SYNC)))
    return figure


EXPERIMENT = Experiment(
    name="examples",
    title="Examples: time to a held-out loss",
    about=__doc__,
    cases=cases,
    draw=draw,
    axis="example",
    compares_times=False,
    own_tables=tables,
)
