import tomllib
from dataclasses import field, make_dataclass
from itertools import permutations
from pathlib import Path

import pytest

from adsp_mpi.cli import parse
from adsp_mpi.config import Config
from adsp_mpi.core.models import MODELS
from adsp_mpi.errors import UsageError
from adsp_mpi.layers import Setting, parse_setting, preset_layer, presets
from adsp_mpi.tools.settings import settings_text
from tests.unit.own_schemes import Growing


@pytest.mark.parametrize("preset", presets())
def test_printed_config_reads_back_as_itself(preset: str) -> None:
    config = Config().with_layers(preset_layer(preset))
    for comments in (False, True):
        again = Config().with_values(tomllib.loads(config.to_toml(comments)), "printed")
        assert again.to_toml() == config.to_toml()


@pytest.mark.parametrize("model", MODELS)
def test_every_model_prints_and_reads_back(model: str) -> None:
    config = Config().with_values({"sync": {"model": model}}, "test")
    again = Config().with_values(tomllib.loads(config.to_toml()), "printed")
    assert again.sync_model == config.sync_model


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "trian.batch_size=3"], "did you mean train"),
        (["--set", "train.batch_sise=3"], "did you mean batch_size"),
        (["--set", "train.batch_size=0"], "at least 1"),
        (["--set", "train.batch_size=2.5"], "type int"),
        (["--set", "train.local_lr=nan"], "train.local_lr"),
        (["--set", "train.local_lr=fast"], "type float"),
        (["--set", "run.seed=true"], "type int"),
        (["--set", "sync.staleness=3"], "no option of scheme 'adsp'"),
        (["--set", "sync.epoch_s=1"], "epoch_s"),
        (["--set", "sync.check_period_s='x'"], "type float"),
        (["--set", "nonsense"], "section.key=value"),
        (["--sync", "nope"], "adsp, adsp-fixed"),
        (["--sync", "os:path"], "no subclass"),
        (["--sync", "no.such:Model"], "cannot be loaded"),
        (["--preset", "nope"], "quickstart"),
        (["--config", "/no/such/file.toml"], "No such file"),
        (["--bogus"], "--blocking-commits"),
        (["--seed", "x"], "invalid int"),
        (["fly"], "unknown verb"),
        (["--seed", "3", "guide"], "guide comes first"),
    ],
)
def test_bad_arguments_are_named(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(arguments)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_quickstart_only_where_nothing_else_is_chosen(tmp_path: Path) -> None:
    assert parse([]).config.hetero.profile == "ratio:2.0"
    assert parse(["--sync", "bsp"]).config.hetero.profile == "ratio:2.0"
    assert parse(["--task", "digits-cnn"]).config.hetero.profile == "none"
    path = tmp_path / "c.toml"
    path.write_text("[train]\nbatch_size = 7\n")
    config = parse(["--config", str(path), "--seed", "5"]).config
    assert (config.train.batch_size, config.run.seed, config.hetero.profile) == (7, 5, "none")


def test_another_model_keeps_the_options_that_both_have() -> None:
    config = parse(["--sync", "bsp"]).config
    assert config.sync_model.check_period_s == 2.0
    assert not hasattr(config.sync_model, "epoch_s")


def test_settings_come_after_short_options() -> None:
    assert parse(["--set", "run.seed=9", "--seed", "5"]).config.run.seed == 9


@pytest.mark.parametrize(
    ("text", "value"),
    [("a.b=3", 3), ("a.b=3.0", 3.0), ("a.b=true", True), ("a.b=word", "word"), ("a.b='q'", "q")],
)
def test_settings_are_toml_or_words(text: str, value: object) -> None:
    assert parse_setting(text) == Setting("a", "b", value, f"--set {text}")


Arguments = list[str]

ORDERS: list[list[Arguments]] = [
    [["--set", "sync.epoch_s=1"], ["--set", "sync.check_period_s=0.5"]],
    [["--sync", "ssp"], ["--set", "sync.staleness=3"], ["--preset", "quickstart"]],
    [["--set", "sync.model=ssp"], ["--set", "sync.staleness=3"]],
    [["--blocking-commits"], ["--sync", "asp"], ["--set", "sync.local_steps=2"]],
    [["--set", "sync.growth=0.5"], ["--sync", "tests.unit.own_schemes:Growing"]],
    [["--set", "task.dimensions=3"], ["--task", "quadratic"]],
    [["--compress", "topk:0.1"], ["--set", "run.servers=1"]],
]


@pytest.mark.parametrize("parts", ORDERS, ids=lambda parts: parts[0][-1])
def test_the_order_of_settings_does_not_matter(parts: list[Arguments]) -> None:
    found = {
        parse([argument for part in order for argument in part]).config.to_toml()
        for order in permutations(parts)
    }
    assert len(found) == 1


def test_of_two_values_for_one_key_the_last_one_holds_and_is_checked() -> None:
    given = ["--set", "train.batch_size=0", "--set", "train.batch_size=7"]
    assert parse(given).config.train.batch_size == 7


def test_a_plain_field_of_an_own_scheme_is_an_option() -> None:
    growing = ["--sync", "tests.unit.own_schemes:Growing"]
    assert parse([*growing, "--set", "sync.growth=2"]).config.sync_model.growth == 2.0
    with pytest.raises(UsageError, match="growth = 'fast' must be of type float"):
        parse([*growing, "--set", "sync.growth=fast"])
    with pytest.raises(UsageError, match=r"--set sync.grow=1: .*\(did you mean growth\?\)"):
        parse([*growing, "--set", "sync.grow=1"])


@pytest.mark.parametrize("default", [None, (), field(default_factory=list)])
def test_an_option_that_no_toml_could_hold_is_one_line(default: object) -> None:
    model = make_dataclass("Odd", [("odd", object, default)], bases=(Growing,), frozen=True)
    with pytest.raises(ValueError, match="odd needs a default value"):
        model()


def test_layers_go_over_each_other_and_a_key_of_another_model_may_stay_below(
    tmp_path: Path,
) -> None:
    """The preset's epoch_s is meant for adsp, the file's staleness for ssp."""
    path = tmp_path / "c.toml"
    path.write_text("[sync]\nstaleness = 3\nmodel = 'ssp'\n[train]\nbatch_size = 8\n")
    layers = ["--preset", "quickstart", "--config", str(path)]
    config = parse([*layers, "--set", "train.batch_size=9"]).config
    assert config.sync.options == {"check_period_s": 2.0, "staleness": 3}
    assert config.train.batch_size == 9
    again = parse([*layers, "--sync", "adsp"]).config
    assert again.sync.options["epoch_s"] == 40.0 and "staleness" not in again.sync.options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "c.toml"], "config file c.toml: sync.stalenes is no option"),
        (["--sync", "asp", "--set", "sync.staleness=3"], "--set sync.staleness=3: "),
        (
            ["--sync", "adsp", "--set", "sync.check_period_s=50"],
            "--set sync.check_period_s=50: sync.epoch_s must be at least check_period_s",
        ),
        (
            ["--sync", "adsp", "--servers", "2", "--compress", "float16"],
            "--servers: compressed commits go to one server",
        ),
        (["--sync", "adsp", "--screen", "loud"], "--screen: run.screen = 'loud': there are auto,"),
        (["--sync", "adsp", "--compress", "zip"], "--compress: compress 'zip'"),
    ],
)
def test_an_error_names_what_gave_the_value(
    arguments: Arguments, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text("[sync]\nmodel = 'ssp'\nstalenes = 3\n")
    with pytest.raises(UsageError) as error:
        parse(arguments)
    assert message in str(error.value)


@pytest.mark.parametrize("model", ["bsp", "fixed-adacomm", "wbsp"])
def test_what_a_scheme_has_only_one_value_for_is_accepted_and_not_shown(model: str) -> None:
    config = parse(["--sync", model, "--blocking-commits"]).config
    assert config.sync_model.blocking_commits and "blocking_commits" not in config.to_toml()
    with pytest.raises(UsageError, match=r"always True here: .* mix the rounds"):
        parse(["--sync", model, "--set", "sync.blocking_commits=false"])


def test_every_option_of_every_section_and_scheme_says_what_it_means() -> None:
    for model in MODELS:
        config = Config().with_values({"sync": {"model": model}}, "test")
        for line in config.to_toml(comments=True).splitlines():
            assert not line or line.startswith("[") or "  # " in line, line


def own_task(samples=2000, *, skew=None, name):
    """A factory whose arguments are printed, and that is not called."""


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["svm", "--set", "task.csv=a.csv"], ['csv = "a.csv"', 'target = ""  # argument of svm']),
        (["quadratic"], ["dimensions = 16  # argument of quadratic"]),
        (
            ["tests.unit.test_config:own_task", "--set", "task.samples=3"],
            ["samples = 3", "# skew: argument of", "# name: argument of"],
        ),
    ],
)
def test_the_arguments_of_the_task_are_printed_and_read_back(
    arguments: Arguments, lines: list[str]
) -> None:
    config = parse(["config", "--task", *arguments]).config
    text = settings_text(config)
    shown = text.split("[task]\n")[1].split("\n\n")[0].splitlines()
    for line in lines:
        assert any(there.startswith(line) for there in shown)
    again = Config().with_values(tomllib.loads(text), "printed")
    assert again.task.options.items() >= config.task.options.items()


def test_what_stands_behind_two_dashes_is_for_the_script() -> None:
    request = parse(["simulate", "my.py", "--workers", "3", "--", "--workers", "64"])
    assert request.config.simulate.workers == 3
    assert list(request.arguments) == ["--workers", "64"]
    assert not parse(["my.py"]).arguments
    with pytest.raises(UsageError, match="none is named"):
        parse(["simulate", "--", "--rate", "0.1"])
