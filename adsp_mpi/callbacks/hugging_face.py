"""Ends the training of a Hugging Face Trainer with the run."""

from typing import TYPE_CHECKING, Any

try:
    from transformers import TrainerCallback
except ImportError as error:
    needed = "adsp_mpi.callbacks.hugging_face needs transformers and accelerate"
    raise ImportError(f"{needed}: pip install 'adsp-mpi[transformers]'") from error

if TYPE_CHECKING:
    from adsp_mpi.own_loop.run import Run


class StopWithRun(TrainerCallback):
    """Tells the Trainer to stop once `run` is over.

    Rank 0 has no Trainer: `if run.server: run.serve()`. The Trainer is given the optimizer that
    `join` was given, more steps than the run will take, and a `seed` of each worker's own, as it
    seeds all random generators anew. It does not tell its losses, so `join` needs `evaluate`.
    """

    def __init__(self, run: "Run") -> None:
        self.run = run

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_training_stop = not self.run.running

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_training_stop |= not self.run.running
