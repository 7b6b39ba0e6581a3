"""The commands and files of the README and of the guide's pages exist and run."""

import re
import shlex
from pathlib import Path

import pytest

from adsp_mpi.guide import PAGES, list_pages, read_page
from tests.launch.launcher import launch_all

pytestmark = pytest.mark.one_mpi_is_enough

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TEXTS = [README, *map(read_page, PAGES)]
BLOCKS = [
    block for text in TEXTS for block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S)
]
COMMANDS = [
    command
    for kind, text in BLOCKS
    if kind == "bash"
    for command in text.replace("\\\n", "").splitlines()
]
"""With the lines joined that a backslash continues."""
SET_UP = ["bash jobs/local.sh", "bash jobs/test.sh"]
SUBMIT = "sbatch "
PYTHON_COMMANDS = [
    c for c in dict.fromkeys(COMMANDS) if c not in SET_UP and not c.startswith(SUBMIT)
]


def test_opens_with_the_two_commands() -> None:
    assert COMMANDS[:2] == SET_UP
    for command in SET_UP:
        assert (ROOT / command.split()[1]).exists()


def test_is_short_and_names_every_page() -> None:
    assert len(README.splitlines()) <= 220
    for page in PAGES:
        assert f"(adsp_mpi/guide/{page}.md)" in README and page in list_pages()


def test_every_command_is_known_to_these_tests() -> None:
    assert all(" python " in f" {command}" for command in PYTHON_COMMANDS)
    assert len(PYTHON_COMMANDS) >= 10


def test_a_file_of_one_name_has_one_text() -> None:
    named = [text for _, text in BLOCKS if re.match(r"# \w+\.(py|toml)", text)]
    assert len(set(named)) == len({text.splitlines()[0] for text in named})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of all texts, under the names that their first lines give."""
    for kind, text in BLOCKS:
        if named := re.match(r"# (\w+\.(py|toml))", text):
            assert kind == {"py": "python", "toml": "toml"}[named[2]]
            (tmp_path / named[1]).write_text(text)
    return tmp_path


def arguments_of(command: str) -> list[str]:
    """What follows `python`, for a run of one second."""
    words = shlex.split(command.split(" > ")[0])
    arguments = words[words.index("python") + 1 :]
    if "--max-seconds" in arguments:
        arguments[arguments.index("--max-seconds") + 1] = "1"
    return arguments


def test_commands_of_several_ranks_run(folder: Path) -> None:
    """On four ranks, as many as the example's profile has workers, and one start-up for all."""
    script = folder / "my_training.py"
    script.write_text(script.read_text().replace('"max_seconds": 30.0', '"max_seconds": 1.0'))
    commands = [command for command in PYTHON_COMMANDS if command.startswith("mpirun ")]
    runs = launch_all(4, [arguments_of(command) for command in commands], cwd=folder)
    for command, run in zip(commands, runs, strict=True):
        assert run.code == 0 and run.error_lines == [], (command, run.err)


def test_commands_of_one_process_and_the_trace_example_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulate = "python -m adsp_mpi simulate --sync bsp --workers 3 --max-seconds 5 --out runs/bsp"
    commands = [simulate, *(c for c in PYTHON_COMMANDS if c.startswith("python "))]
    assert len(commands) >= 4
    runs = launch_all(1, [arguments_of(command) for command in commands], cwd=folder)
    for command, run in zip(commands, runs, strict=True):
        assert run.code == 0 and run.error_lines == [], (command, run.err)
    example = next(text for _, text in BLOCKS if "adsp_mpi.trace.open" in text)
    monkeypatch.chdir(folder)
    exec(example, {})
