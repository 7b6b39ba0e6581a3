"""The command line: arguments to a configuration and a verb."""

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.layers import Layer, Setting, file_layer, parse_setting, preset_layer, presets
from adsp_mpi.options import ENGINES, options_of
from adsp_mpi.refusals import require_used, require_used_by_loop
from adsp_mpi.runtime.resume import base_config

if TYPE_CHECKING:
    from adsp_mpi.sim.fitted_machines import Recorded

VERBS = {
    "run": "train, under mpirun; the default",
    "simulate": "train in virtual time: no MPI, any number of --workers",
    "config": "print all settings with their meaning, as TOML",
    "guide": "print the documentation: guide PAGE; alone, the list of pages",
    "doctor": "check this MPI, these hosts and the folder, under mpirun",
    "profile": "measure speeds and links into a file for --hetero, under mpirun",
    "bench": "time commits, steps and starts, under mpirun (bench --help)",
    "weights": "write a checkpoint's model as a state_dict (weights --help)",
    "slurm": "print a batch script for a run of yours (slurm --help)",
}

ALONE = ("guide", "slurm", "weights")
"""Verbs with arguments of their own, of one process."""

COME_FIRST = ("bench", *ALONE)
"""Verbs with arguments of their own."""

SHORT_OPTIONS = {
    "sync": ("sync", "model", str),
    "task": ("task", "name", str),
    "hetero": ("hetero", "profile", str),
    "compress": ("train", "compress", str),
    "out": ("run", "out", str),
    "seed": ("run", "seed", int),
    "resume": ("run", "resume", str),
    "spares": ("run", "spares", int),
    "servers": ("run", "servers", int),
    "evaluator": ("run", "evaluator", bool),
    "device": ("run", "device", str),
    "screen": ("run", "screen", str),
    "target-loss": ("stop", "target_loss", float),
    "max-seconds": ("stop", "max_seconds", float),
    "max-steps": ("stop", "max_steps", int),
    "workers": ("simulate", "workers", int),
}


METAVARS = {str: "VALUE", int: "N", float: "NUMBER"}


class Request(NamedTuple):
    """The verb and configuration that the arguments ask for.

    With `--like` also the recorded run, and whether one scheme is chosen.
    """

    verb: str
    config: Config
    recorded: "Recorded | None" = None
    one_model: bool = False
    program: str = ""
    """A user's function, as my_training:train, which trains by `adsp_mpi.join`."""

    layers: Sequence[Layer] = ()
    """For a program the settings given on the command line."""

    arguments: Sequence[str] = ()
    """For a program its own arguments, which stand behind `--`."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print and leave, once per rank."""

    def error(self, message: str) -> Any:
        options = ", ".join(sorted(self._option_string_actions))
        raise UsageError(f"{message}; options: {options}")


def make_parser() -> Parser:
    """The parser of `python -m adsp_mpi`."""
    parser = Parser(
        prog="adsp_mpi",
        usage="[mpirun -n RANKS] python -m adsp_mpi [VERB] [MODULE:FUNCTION | FILE.py] "
        "[OPTION ...] [-- ARGUMENT ...]",
        description="Train one model on machines of very different speed, over MPI.\n\nverbs:\n"
        + "\n".join(f"  {name:<10}{text}" for name, text in VERBS.items()),
        epilog="MODULE:FUNCTION or FILE.py is your own training, which calls adsp_mpi.join: guide "
        "convert.\nIt finds the ARGUMENTs in sys.argv. Without it, --task, --config and --preset: "
        "the quickstart.\n"
        "Traces are analysed by: python -m adsp_mpi.analysis --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("verb", nargs="?", default="run", help=argparse.SUPPRESS, metavar="VERB")
    parser.add_argument("program", nargs="?", help=argparse.SUPPRESS, metavar="MODULE:FUNCTION")
    parser.add_argument("--config", metavar="FILE", help="settings from a TOML file")
    parser.add_argument("--preset", metavar="NAME", help=f"one of: {', '.join(presets())}")
    parser.add_argument(
        "--set",
        metavar="SECTION.KEY=VALUE",
        action="append",
        default=[],
        help="one setting, see config; may be given again",
    )
    parser.add_argument(
        "--like",
        metavar="RUN",
        help="simulate only: predict the time to target of every scheme, or of --sync, on machines "
        "fitted to a recorded run (a folder or its trace.h5)",
    )
    parser.add_argument(
        "--blocking-commits",
        action="store_true",
        help="workers stand still while they commit, as in the paper",
    )
    for name, (section, key, kind) in SHORT_OPTIONS.items():
        help = options_of(type(getattr(Config(), section)))[key].metadata["help"]
        if kind is bool:
            parser.add_argument(f"--{name}", action="store_const", const=True, help=help)
        else:
            parser.add_argument(f"--{name}", type=kind, metavar=METAVARS[kind], help=help)
    return parser


def parse(arguments: Sequence[str]) -> Request:
    """What the arguments ask for; UsageError if they are wrong, AdspError for a bad trace."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = make_parser().parse_args(arguments[:end])
    if is_program(options.verb) and not options.program:
        options.verb, options.program = "run", options.verb
    if options.verb not in VERBS:
        raise UsageError(f"unknown verb {options.verb!r}; there are: {', '.join(VERBS)}")
    if options.verb in COME_FIRST:
        raise UsageError(f"{options.verb} comes first: python -m adsp_mpi {options.verb}")
    if options.program:
        return _parse_program(options)._replace(arguments=arguments[end + 1 :])
    if end < len(arguments):
        raise UsageError("what stands behind -- is for a script of yours, and none is named")
    if options.like is not None:
        return _parse_like(options)
    base = base_config(options.resume)
    if not (base.run.resume or options.preset or options.config or options.task):
        options.preset = "quickstart"
    return Request(options.verb, config_of(options, options.verb, base))


def _parse_program(options: argparse.Namespace) -> Request:
    """The request for a user's own training, whose script may have settings of its own."""
    if not is_program(options.program):
        meant = f"--preset {options.program}" if options.program in presets() else "guide convert"
        raise UsageError(f"{options.program} is neither MODULE:FUNCTION nor FILE.py: see {meant}")
    if options.verb not in ENGINES or options.like is not None:
        raise UsageError(f"{options.program}: only run and simulate take a function of yours")
    layers = layers_of(options)
    require_used_by_loop(layers)
    config = config_of(options, options.verb, base_config(options.resume))
    return Request(options.verb, config, program=options.program, layers=layers)


def is_program(word: str) -> bool:
    """Whether `word` names a user's own training: MODULE:FUNCTION or FILE.py."""
    return ":" in word or word.endswith(".py")


def _parse_like(options: argparse.Namespace) -> Request:
    from adsp_mpi.sim.fitted_machines import read_recorded

    if options.verb != "simulate":
        raise UsageError("--like RUN is an option of simulate")
    recorded = read_recorded(options.like)
    config = config_of(options, "like", recorded.config)
    if not config.stop.target_loss:
        raise UsageError("--like compares times to a target loss: give --target-loss")
    if config.task == recorded.config.task and not recorded.names_its_task:
        raise UsageError("--like: a script trained its own task there: give --task module:factory")
    another = config.sync.model != recorded.config.sync.model
    return Request(options.verb, config, recorded, bool(options.sync) or another)


def config_of(options: argparse.Namespace, use: str, base: Config) -> Config:
    """`base` with the preset, the file and the command line over it.

    Raises UsageError where the command line, or for a `use` that trains the file, asks for what
    would be ignored. For the other uses a file describes the run that they examine.
    """
    preset, file, arguments = layers_of(options)
    config = base.with_layers(preset, file, arguments)
    if use != "config":
        require_used(use, base, config, [file, arguments] if use in ENGINES else [arguments])
    return config


def layers_of(options: argparse.Namespace) -> tuple[Layer, Layer, Layer]:
    """The settings of the preset, the file and the command line."""
    preset = preset_layer(options.preset) if options.preset else []
    file = file_layer(options.config) if options.config else []
    return preset, file, command_line(options)


def command_line(options: argparse.Namespace) -> Layer:
    """Short options, and `--set` over them."""
    given = {name: getattr(options, name.replace("-", "_")) for name in SHORT_OPTIONS}
    short = [
        Setting(*SHORT_OPTIONS[name][:2], value, f"--{name}")
        for name, value in given.items()
        if value is not None
    ]
    if options.blocking_commits:
        short.append(Setting("sync", "blocking_commits", True, "--blocking-commits"))
    return short + [parse_setting(text) for text in options.set]
