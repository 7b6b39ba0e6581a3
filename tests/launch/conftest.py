import pytest

from tests.launch.launcher import find_mpirun


@pytest.fixture(autouse=True)
def _needs_mpirun() -> None:
    if not find_mpirun():
        pytest.skip("no mpirun beside this Python or on PATH")
