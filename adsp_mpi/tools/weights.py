"""`python -m adsp_mpi weights`: writes the model of a checkpoint as a state_dict."""

from pathlib import Path
from typing import Sequence

import torch

from adsp_mpi.cli import Parser
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.model_file import FORMATS, require_format, write_model
from adsp_mpi.runtime.checkpoint_files import FOLDER, SERVER, whole_checkpoints
from adsp_mpi.runtime.resume import open_checkpoint
from adsp_mpi.runtime.saved_model import saved_state_dict

NEWEST = "newest"


def write_weights(arguments: Sequence[str]) -> str:
    """Do what these arguments ask for; returns what to tell the user.

    Raises UsageError for wrong arguments, AdspError where a checkpoint is missing or damaged, or
    the file cannot be written.
    """
    options = make_parser().parse_args(arguments)
    run = Path(options.run)
    out = Path(options.out) if options.out else run / "weights.pt"
    require_format(out.suffix.removeprefix("."))
    found = open_checkpoint(str(_chosen(run, options.checkpoint)))
    state = saved_state_dict(found)
    try:
        write_model(state, out)
    except (OSError, RuntimeError) as error:
        raise AdspError(f"{out} cannot be written: {str(error).splitlines()[0]}") from error
    numbers = sum(value.numel() for value in state.values() if isinstance(value, torch.Tensor))
    return (
        f"{out}: {len(state)} tensors, {numbers:,} numbers, of {found.path}\n"
        f"load it with {_how_to_load(out)}"
    )


def make_parser() -> Parser:
    """The parser of the options of this verb."""
    parser = Parser(
        prog="python -m adsp_mpi weights",
        usage="python -m adsp_mpi weights RUN [--checkpoint NUMBER] [--out FILE]",
        description="Write the global model as it was when a checkpoint was written, as a "
        "state_dict for model.load_state_dict. The run may have ended, may have been killed, or "
        "may go on.",
        allow_abbrev=False,
    )
    parser.add_argument("run", metavar="RUN", help="the folder of the run")
    parser.add_argument(
        "--checkpoint", metavar="NUMBER", default=NEWEST, help=f"as 3; {NEWEST} unless given"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help=f"it ends in .{' or .'.join(FORMATS)}; RUN/weights.pt unless given",
    )
    return parser


def _chosen(run: Path, name: str) -> Path:
    """The folder of the checkpoint with this number, or `run` for the newest."""
    if name == NEWEST:
        return run
    whole = whole_checkpoints(run)
    for path in whole:
        if name.isdecimal() and int(path.name) == int(name) and (path / SERVER).exists():
            return path
    there = ", ".join(str(int(path.name)) for path in whole) or "none"
    raise UsageError(f"--checkpoint {name}: {run / FOLDER} has {there}")


def _how_to_load(out: Path) -> str:
    if out.suffix == ".safetensors":
        return f'model.load_state_dict(safetensors.torch.load_file("{out}"))'
    return f'model.load_state_dict(torch.load("{out}", weights_only=True))'
