"""The books balance in every model's run."""

from typing import Callable

import pytest

from tests.contract.cases import CASES, WORKERS
from tests.contract.counts import CHECKS
from tests.contract.engines import Run


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CASES)
def test_the_books_balance(run: Run, check: Callable[[Run], None]) -> None:
    check(run)


@pytest.mark.parametrize("name", CASES)
def test_every_worker_steps_and_commits(run: Run) -> None:
    """Else the checks above would check nothing."""
    for name in ("steps", "commits"):
        assert min(map(len, run.tables(name))) >= 2
    assert len(run.tables("commits")) == WORKERS
