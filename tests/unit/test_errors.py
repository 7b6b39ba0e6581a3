"""The story of an error begins with the user's own code."""

import re
from pathlib import Path

import pytest

from adsp_mpi.errors import story
from adsp_mpi.learn.tasks import make_task
from adsp_mpi.runtime.exit import exit_code_of


def files_in(text: str) -> list[str]:
    return [Path(name).name for name in re.findall(r'File "([^"]+)"', text)]


def test_what_is_above_the_users_function_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """What a library calls below stays."""

    def mine() -> None:
        re.sub("1", lambda found: str(1 / 0), "1")

    assert exit_code_of(mine) == 1
    told = capsys.readouterr().err
    assert told.startswith("Traceback") and "\nZeroDivisionError: division by zero\n" in told
    assert files_in(told) == ["test_errors.py", "__init__.py", "test_errors.py"]


def test_an_error_in_none_of_the_users_code_is_told_whole() -> None:
    with pytest.raises(Exception, match="nope") as raised:
        make_task("nope", {})
    error = raised.value
    assert error.__traceback__
    error.__traceback__ = error.__traceback__.tb_next
    assert "__init__.py" in files_in(story(error))
