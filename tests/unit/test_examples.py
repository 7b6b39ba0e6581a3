"""The examples in virtual time, with little data; tests/launch has them under MPI."""

import importlib
import re
from pathlib import Path
from tokenize import NEWLINE, NL, tokenize

import numpy as np
import pytest

from adsp_mpi.errors import UsageError
from adsp_mpi.examples.data_files import data_files
from adsp_mpi.examples.grapheme_to_phoneme import edits
from adsp_mpi.guide import read_page
from tests.unit.example_data import EXAMPLES, missing, write_data
from tests.unit.simulated import play_loop


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_trains(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    if reason := missing(name):
        pytest.skip(reason)
    for variable, folder in write_data(name, tmp_path / "data").items():
        monkeypatch.setenv(variable, folder)
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"adsp_mpi.examples.{name}")
    settings = {"simulate": {"workers": 2}, "stop": {"max_steps": 6}, "eval": {"period_s": 0.5}}
    played = play_loop(monkeypatch, tmp_path / "run", module.train, **settings)
    assert [len(steps) for steps in played.tables("steps")] == [6, 6]
    losses = played.table("ps/evals")["loss"]
    assert np.isfinite(losses).all() and len(set(losses)) > 1


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short_and_the_guide_counts_its_lines(name: str) -> None:
    text = EXAMPLES[name].read_text()
    assert len(text.splitlines()) <= 80
    new, changed = (len(re.findall(f"# {kind}$", text, re.M)) for kind in ("new", "changed"))
    assert re.search(rf"^\| `{name}` \| {new} \| {changed} \|", read_page("examples"), re.M)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_names_the_run_is_marked(name: str) -> None:
    """Each statement that names `run` or the program's modules is marked as new or changed."""
    with open(EXAMPLES[name], "rb") as file:
        tokens = [token for token in tokenize(file.readline) if token.type != NL]
    statement: list[str] = []
    for token in tokens:
        statement.append(token.string)
        if token.type == NEWLINE:
            is_ours = "run" in statement or statement[:2] == ["import", "adsp_mpi"]
            is_ours |= "callbacks" in statement
            assert not is_ours or {"# new", "# changed"} & set(statement), " ".join(statement)
            statement = []


def test_data_are_found_in_the_folder_or_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        UsageError, match=r"no a\.csv in .*: set A_FOLDER to the folder of the data"
    ):
        data_files("a.csv", "A_FOLDER", "some_tables")
    package, own = tmp_path / "some_tables", tmp_path / "own"
    for folder in (package / "data", own):
        folder.mkdir(parents=True)
        (folder / "a.csv").touch()
    (package / "__init__.py").write_text("raise RuntimeError('not to be imported')")
    importlib.invalidate_caches()
    assert data_files("a.csv", "A_FOLDER", "some_tables") == [package / "data" / "a.csv"]
    monkeypatch.setenv("A_FOLDER", str(own))
    assert data_files("a.csv", "A_FOLDER", "some_tables") == [own / "a.csv"]


@pytest.mark.parametrize(
    ("said", "right", "expected"),
    [([], [], 0), ([1, 2], [1, 2], 0), ([1], [2], 1), ([2, 3], [1, 2, 3], 1), ([1, 2], [], 2)],
)
def test_edits_are_as_few_as_can_be(said: list[int], right: list[int], expected: int) -> None:
    assert edits(said, right) == edits(right, said) == expected
