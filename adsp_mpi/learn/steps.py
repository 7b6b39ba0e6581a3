"""How a run and the code that computes its steps take turns: the run asks for each step."""

from dataclasses import dataclass
from typing import Callable, Generator, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Idled:
    """Of the time since the last step these last seconds were spent on something else."""

    seconds: float


Steps = Generator[int, float | Idled | None, T]
"""Yields the batch size of the step to take next, and is sent that step's loss, None if unknown.

It may be sent `Idled` first, and asks for the same step again. An error in a step is to be thrown
into it, or `NoMoreSteps` where no step will come. It returns once the run is over.
"""


class NoMoreSteps(Exception):
    """The code that computes the steps has come to its end."""


def take_steps(steps: Steps[T], step: Callable[[int], float | None]) -> T:
    """Take every step that `steps` asks for by `step(batch_size)`; returns what it returns."""
    try:
        batch_size = next(steps)
        while True:
            try:
                loss = step(batch_size)
            except (Exception, SystemExit) as error:
                batch_size = steps.throw(error)
            else:
                batch_size = steps.send(loss)
    except StopIteration as end:
        return end.value
