"""Ends the training of a Lightning Trainer with the run."""

from typing import TYPE_CHECKING, Any

try:
    from lightning.pytorch import Callback
except ImportError as error:
    needed = "adsp_mpi.callbacks.lightning needs lightning"
    raise ImportError(f"{needed}: pip install 'adsp-mpi[lightning]'") from error

if TYPE_CHECKING:
    from adsp_mpi.own_loop.run import Run


class StopWithRun(Callback):
    """Tells the Trainer to stop once `run` is over, and logs the loss of each step.

    Rank 0 has no Trainer: `if run.server: run.serve()`. The module's `configure_optimizers` returns
    the optimizer that `join` was given. The Trainer needs `max_epochs=-1` and
    `plugins=LightningEnvironment()`; without the latter it takes the ranks for its own.
    """

    def __init__(self, run: "Run") -> None:
        self.run = run

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        trainer.should_stop = not self.run.running

    def on_before_backward(self, trainer: Any, pl_module: Any, loss: Any) -> None:
        self.run.log(loss)

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        trainer.should_stop |= not self.run.running
