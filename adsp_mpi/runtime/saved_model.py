"""A checkpoint's model as a state_dict.

    RUN/checkpoints/00000003/server.npz  the vector that commits carry, and a table of what is where
    RUN/checkpoints/at-home.pt           frozen weights and all else that no commit carries

What no commit carries does not change while a run goes on, so it is written once, as rank 0 has it.
"""

from pathlib import Path
from typing import Any

from adsp_mpi.errors import AdspError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.model_file import read_model, write_model
from adsp_mpi.learn.tensor_table import state_dict_of
from adsp_mpi.runtime.checkpoint_files import FOLDER
from adsp_mpi.runtime.resume import Checkpoint

AT_HOME = "at-home.pt"


class HomeFile:
    """Writes `AT_HOME` of the run in folder `run`, once, if there is anything to write."""

    def __init__(self, run: Path, model: FlatModel | None) -> None:
        self._path = run / FOLDER / AT_HOME
        self._model = model

    def write(self) -> None:
        """Write the file if this is the first call; OSError if the disk is full."""
        if self._model and (state := self._model.state_at_home):
            try:
                write_model(state, self._path)
            except RuntimeError as error:
                raise OSError(str(error).splitlines()[0]) from error
        self._model = None


def saved_state_dict(found: Checkpoint) -> dict[str, Any]:
    """The state_dict of the model as it was when the checkpoint `found` was written.

    Raises AdspError for a checkpoint without a table, or where a part of the model is missing.
    """
    state = found.state
    if "table" not in state:
        raise AdspError(
            f"{found.path} has no table of the model's tensors: an older adsp_mpi wrote it; that "
            "one can go on with --resume and writes model.pt at the end"
        )
    if not state["table"]:
        raise AdspError(f"{found.path}: what this run trained is no model of torch")
    holder = state["engine"]["exchange"] if "engine" in state else state["server"]["model"]
    path = found.path.parent / AT_HOME
    at_home = read_model(path) if path.exists() else {}
    try:
        return state_dict_of(state["table"], holder["values"], at_home)
    except KeyError as error:
        raise AdspError(f"{path} does not hold {error.args[0]}") from error
    except (RuntimeError, TypeError) as error:
        text = str(error).splitlines()[0]
        raise AdspError(f"{found.path} has a damaged table of tensors: {text}") from error
