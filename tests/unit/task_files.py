"""Data files for the tests of the tasks: real ones where there are some, and written ones."""

import os
from pathlib import Path
from typing import Any

import pytest

from adsp_mpi.errors import AdspError
from adsp_mpi.learn.tasks import make_task

BESIDE_THE_REPOSITORY = Path(__file__).parents[3] / "shared" / "data"


def real_data(name: str) -> str:
    """The path of a real data file or folder; skips the test without one."""
    path = Path(os.environ.get("ADSP_TEST_DATA", BESIDE_THE_REPOSITORY)) / name
    if not path.exists():
        pytest.skip(f"no {name} in {path.parent}; ADSP_TEST_DATA names a folder that holds it")
    return str(path)


def write_cifar10(folder: Path, **files: list[tuple[int, int]]) -> str:
    """Files of records (label, value of every pixel); returns the folder."""
    for name, records in files.items():
        content = b"".join(bytes([label] + [pixel] * 3072) for label, pixel in records)
        (folder / f"{name}.bin").write_bytes(content)
    return str(folder)


def error_of(name: str, options: dict[str, Any], kind: type[AdspError] = AdspError) -> str:
    """The one line that making a task with `options` fails with, as an error of `kind`."""
    with pytest.raises(AdspError) as error:
        make_task(name, options)
    assert type(error.value) is kind
    assert "\n" not in str(error.value)
    return str(error.value)
