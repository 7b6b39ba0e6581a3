import tomllib
from pathlib import Path

import pytest

from adsp_mpi.cli import parse
from adsp_mpi.config import Config, load_preset, parse_setting, presets
from adsp_mpi.core.models import MODELS
from adsp_mpi.errors import UsageError


@pytest.mark.parametrize("preset", presets())
def test_printed_config_reads_back_as_itself(preset: str) -> None:
    config = load_preset(Config(), preset)
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
        (["--set", "sync.staleness=3"], "no option of model 'adsp'"),
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
    assert parse_setting(text) == {"a": {"b": value}}
