"""What a verb, an engine or a task would ignore is refused; what it uses is accepted."""

from dataclasses import fields
from itertools import permutations
from pathlib import Path

import pytest

from adsp_mpi.cli import VERBS, parse
from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.options import options_of

OTHER: dict[str, str] = {
    "run.device": "cuda",
    "run.models": "safetensors",
    "run.resume": "auto",
    "run.screen": "log",
    "task.name": "cancer-svm",
    "train.amp": "bf16",
    "train.compress": "float16",
    "train.lr_decay": "0.5",
    "train.optimizer": "adamw",
    "train.optimizer_options": "{momentum = 0.9}",
    "train.schedule": "cosine",
    "train.partition": "blocks",
    "sync.model": "bsp",
    "hetero.profile": "ratio:2",
    "run.evaluator": "true",
}
"""Values that differ from the default, for options where default + 1 is not valid."""

USED: dict[str, str] = {
    "run": "run task train sync hetero stop eval trace checkpoint",
    "simulate": "run.seed run.out run.threads run.resume run.screen run.spares run.models "
    "task train sync hetero stop eval checkpoint simulate",
    "doctor": "run.out",
    "profile": "run.seed run.out run.device run.threads task train.batch_size train.partition "
    "train.optimizer train.optimizer_options train.grad_clip train.accumulate train.amp "
    "train.loaders",
    "config": "run task train sync hetero stop eval trace checkpoint simulate",
}
"""Sections and keys that a verb makes use of."""

KEYS = [
    f"{section.name}.{key}"
    for section in fields(Config)
    for key in options_of(type(getattr(Config(), section.name)))
]


def another_value(name: str) -> str:
    section, key = name.split(".")
    default = getattr(getattr(Config(), section), key)
    return OTHER.get(name) or ("x" if isinstance(default, str) else str(default + 1))


@pytest.mark.parametrize("verb", USED)
@pytest.mark.parametrize("name", KEYS)
def test_a_verb_accepts_what_it_uses_and_refuses_the_rest(verb: str, name: str) -> None:
    given = [verb, "--task", "cancer-svm", "--hetero", "ratio:3", "--max-seconds", "9"]
    if verb not in ("run", "simulate", "config"):
        given = [verb]
    given += ["--set", f"{name}={another_value(name)}"]
    used = USED[verb].split()
    if name in used or name.split(".")[0] in used:
        parse(given)
        return
    message = f"--set {name}=.*: .*{verb}.* makes no use of {name}; leave it out"
    with pytest.raises(UsageError, match=message):
        parse(given)


def test_every_verb_is_looked_at() -> None:
    """Some have arguments of their own."""
    assert {*USED, "bench", "guide", "slurm", "weights"} == {*VERBS}


@pytest.mark.parametrize("order", [*permutations(["simulate", "--servers=3", "--seed=4"])])
def test_the_order_does_not_matter(order: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"--servers: simulate makes no use of run\.servers"):
        parse(order)


def test_what_is_as_it_would_be_anyway_is_accepted() -> None:
    assert parse(["simulate", "--servers", "1", "--device", "cpu"]).verb == "simulate"


def test_a_file_is_looked_at_too_and_its_last_word_counts(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[run]\nservers = 3\n")
    with pytest.raises(UsageError, match=f"config file {path}: simulate makes no use of"):
        parse(["simulate", "--config", str(path)])
    assert parse(["simulate", "--config", str(path), "--servers", "1"]).config.run.servers == 1


def test_a_file_describes_the_run_that_hosts_and_machines_are_examined_for(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[run]\nservers = 3\n[sync]\nmodel = 'ssp'\nstaleness = 2\n")
    for verb in ("doctor", "profile"):
        parse([verb, "--config", str(path)])
        with pytest.raises(UsageError, match=f"{verb} makes no use of sync.staleness"):
            parse([verb, "--config", str(path), "--set", "sync.staleness=4"])


@pytest.mark.parametrize(
    "setting", ["train.partition=blocks", "eval.samples=3", "run.threads=2", "train.loaders=2"]
)
def test_the_quadratic_has_neither_data_nor_torch(setting: str) -> None:
    with pytest.raises(UsageError, match="task quadratic makes no use of"):
        parse(["simulate", "--set", setting, "--task", "quadratic"])
    parse(["simulate", "--preset", "quickstart", "--task", "quadratic", "--compress", "topk:0.1"])


def test_a_step_time_is_for_injected_speeds() -> None:
    given = ["--task", "cancer-svm", "--set", "hetero.step_time_s=0.1"]
    with pytest.raises(UsageError, match=r"real speeds make no use of hetero\.step_time_s"):
        parse(given)
    parse([*given, "--hetero", "ratio:2"])
    parse(["simulate", *given])
    parse(["--hetero", "none"])  # the quickstart's step time is nobody's wish
