"""The README's commands exist and run."""

import re
import shlex
from pathlib import Path

import pytest

from tests.launch.launcher import launch

pytestmark = pytest.mark.one_mpi_is_enough

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]
PYTHON_COMMANDS = [c for c in COMMANDS if " python " in f" {c}"]


def test_opens_with_the_two_commands() -> None:
    assert COMMANDS[:2] == ["bash jobs/local.sh", "bash jobs/test.sh"]
    for command in COMMANDS[:2]:
        assert (ROOT / command.split()[1]).exists()


def test_every_command_is_known_to_these_tests() -> None:
    assert COMMANDS[2:] == PYTHON_COMMANDS and len(PYTHON_COMMANDS) >= 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The README's files under the names that their first lines give."""
    for kind, text in BLOCKS:
        if named := re.match(r"# (\w+\.(py|toml))", text):
            assert kind == {"py": "python", "toml": "toml"}[named[2]]
            (tmp_path / named[1]).write_text(text)
    return tmp_path


@pytest.mark.parametrize("command", PYTHON_COMMANDS)
def test_command_runs(folder: Path, command: str) -> None:
    words = shlex.split(command)
    ranks = int(words[2]) if words[0] == "mpirun" else 1
    arguments = words[words.index("python") + 1 :]
    if "--max-seconds" in arguments:
        arguments[arguments.index("--max-seconds") + 1] = "3"
    if "my_training.py" in arguments:
        script = folder / "my_training.py"
        script.write_text(script.read_text().replace('"max_seconds": 30.0', '"max_seconds": 3.0'))
    run = launch(ranks, *arguments, cwd=folder)
    assert run.code == 0 and run.error_lines == [], run.err


def test_trace_example_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = launch(
        3, "-m", "adsp_mpi", "--sync", "bsp", "--max-seconds", "2", "--out", "runs/bsp", cwd=folder
    )
    assert run.code == 0, run.err
    example = next(text for _, text in BLOCKS if "adsp_mpi.trace.open" in text)
    monkeypatch.chdir(folder)
    exec(example, {})
