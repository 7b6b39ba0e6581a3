"""Provides each test's run by `engine` and `name`; a run is made once, and only if needed."""

import pytest

from tests.contract.cases import CASES
from tests.contract.engines import ENGINES, Run, run_on
from tests.launch.launcher import find_mpirun


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def runs(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Run]:
    """The runs on this engine of all schemes that the selected tests name."""
    if engine == "mpi" and not find_mpirun():
        pytest.skip("no mpirun beside this Python or on PATH")
    chosen = (getattr(item, "callspec", None) for item in request.session.items)
    named = {c.params["name"] for c in chosen if c and c.params.get("engine") == engine}
    cases = [case for name, case in CASES.items() if name in named]
    return run_on(engine, tmp_path_factory.mktemp(engine), cases)


@pytest.fixture
def run(runs: dict[str, Run], name: str) -> Run:
    """The run of the scheme with which the test is parametrized."""
    return runs[name]
