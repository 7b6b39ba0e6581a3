"""The command line: arguments to a configuration and a verb."""

import argparse
from typing import Any, Sequence

from adsp_mpi.config import Config, load_file, load_preset, parse_setting, presets
from adsp_mpi.errors import UsageError

VERBS = {
    "run": "train; the default",
    "simulate": "the same in virtual time: no MPI, any number of --workers",
    "config": "print the whole configuration as TOML",
    "doctor": "check this MPI and these hosts",
    "profile": "measure these machines' speeds and links, into a file for --hetero",
}

SHORT_OPTIONS = {
    "sync": ("sync", "model", str),
    "task": ("task", "name", str),
    "hetero": ("hetero", "profile", str),
    "out": ("run", "out", str),
    "seed": ("run", "seed", int),
    "device": ("run", "device", str),
    "screen": ("run", "screen", str),
    "target-loss": ("stop", "target_loss", float),
    "max-seconds": ("stop", "max_seconds", float),
    "max-steps": ("stop", "max_steps", int),
    "workers": ("simulate", "workers", int),
}


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print and leave, once per rank."""

    def error(self, message: str) -> Any:
        options = ", ".join(sorted(self._option_string_actions))
        raise UsageError(f"{message}; options: {options}")


def make_parser() -> Parser:
    """The parser of `python -m adsp_mpi`."""
    parser = Parser(
        prog="adsp_mpi",
        description="Train one model on machines of very different speed, over MPI.",
        epilog="Without --task, --config and --preset: the quickstart. "
        "Keys for --set: python -m adsp_mpi config",
        allow_abbrev=False,
    )
    parser.add_argument("verb", nargs="?", default="run", help=_verbs_help(), metavar="VERB")
    parser.add_argument("--config", metavar="FILE", help="configuration in TOML")
    parser.add_argument("--preset", metavar="NAME", help=f"one of: {', '.join(presets())}")
    parser.add_argument(
        "--set",
        metavar="SECTION.KEY=VALUE",
        action="append",
        default=[],
        help="one value of the configuration; may be given again",
    )
    parser.add_argument(
        "--blocking-commits",
        action="store_true",
        help="workers stand still while they commit, as in the paper",
    )
    for name, (section, key, kind) in SHORT_OPTIONS.items():
        parser.add_argument(
            f"--{name}", type=kind, metavar=key.upper(), help=f"short for --set {section}.{key}="
        )
    return parser


def _verbs_help() -> str:
    return "; ".join(f"{name}: {text}" for name, text in VERBS.items())


def parse(arguments: Sequence[str]) -> tuple[str, Config]:
    """The verb and the configuration that the arguments ask for; UsageError if they are wrong."""
    options = make_parser().parse_args(arguments)
    if options.verb not in VERBS:
        raise UsageError(f"unknown verb {options.verb!r}; there are: {', '.join(VERBS)}")
    return options.verb, make_config(options)


def make_config(options: argparse.Namespace) -> Config:
    """Defaults, then preset, file, short options and `--set`, each over the last."""
    config = Config()
    preset = options.preset
    if not (preset or options.config or options.task):
        preset = "quickstart"
    if preset:
        config = load_preset(config, preset)
    if options.config:
        config = load_file(config, options.config)
    for name, (section, key, _) in SHORT_OPTIONS.items():
        value = getattr(options, name.replace("-", "_"))
        if value is not None:
            config = config.with_values({section: {key: value}}, f"--{name}")
    if options.blocking_commits:
        values = {"sync": {"blocking_commits": True}}
        config = config.with_values(values, "--blocking-commits")
    for text in options.set:
        config = config.with_values(parse_setting(text), f"--set {text}")
    return config
