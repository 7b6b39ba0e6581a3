"""What a run trains: a task of this program's form, or a user's own training loop."""

from typing import Any, Callable, Protocol, Sequence

from adsp_mpi.core.callbacks import Callbacks
from adsp_mpi.core.dealing import Hand
from adsp_mpi.learn.flat import FlatModel

Logger = Callable[[dict[str, float], int], object]
"""Called with an evaluation's numbers, by name, and the steps of all workers so far."""


class Training(Protocol):
    """What a worker trains with, beside the values of its model."""

    steps: int
    """Steps taken so far."""

    progress: Callable[[], float]
    """The share of the run that is done, 0 to 1; the engine sets it."""

    @property
    def hand(self) -> Hand | None:
        """The samples dealt to it; None if it has its own."""

    def take_share(self, share: int) -> None:
        """Train on this share of the data from here on."""

    def keep_snapshot(self) -> None:
        """Keep the optimizer's state for `return_to_snapshot`."""

    def return_to_snapshot(self) -> None:
        """Take the optimizer's state that was kept last; the model has been restored."""

    def begin_anew(self) -> None:
        """Forget the optimizer's state: the model has become another one."""

    def state_dict(self) -> dict[str, Any]:
        """For `load_state_dict`; the model's values are saved elsewhere."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""


class PlainSgd:
    """What a `Training` does about the state of an optimizer that has none."""

    __slots__ = ()

    hand: Hand | None = None

    def keep_snapshot(self) -> None: ...

    def return_to_snapshot(self) -> None: ...

    def begin_anew(self) -> None: ...


def notes_on_commits(model: FlatModel) -> list[str]:
    """Lines that the user should see about what commits carry."""
    if not model.carries_gradients:
        return []
    return ["commits carry gradients too: all optimizers make the same steps (sync.commits)"]


class Judge(Protocol):
    """Evaluates the model of rank 0."""

    def evaluate(self) -> dict[str, float]:
        """Metrics of the model's present values, with at least `loss`."""


class Workload(Protocol):
    """A model and what trains and judges it, as a rank holds it."""

    name: str
    """For the screen and the trace; "" if it has none."""

    @property
    def loggers(self) -> Sequence[Logger]:
        """Functions that rank 0 calls after every evaluation."""

    @property
    def callbacks(self) -> Callbacks:
        """The user's functions to call on this rank."""

    @property
    def model(self) -> FlatModel:
        """The model as one vector."""

    @property
    def notes(self) -> Sequence[str]:
        """Lines that the user should see before the run."""

    @property
    def shared(self) -> Sequence[str]:
        """Lines about the data that must be the same on every rank."""

    def training(self, share: int) -> Training:
        """What a worker with this share of the data trains with, before its first step."""

    def judge(self) -> Judge | None:
        """What rank 0 evaluates the model with; None: by the losses of the workers' steps."""

    def attributes(self, share: int) -> dict[str, Any]:
        """Attributes of the trace about a share of the data."""
