"""What a simulation records stays what it was: every table of small runs of every scheme."""

import json
from pathlib import Path

import pytest

from tests.unit.golden_tables import CASES, REFERENCE, digests


@pytest.mark.parametrize("case", CASES)
def test_every_table_is_as_it_was(tmp_path: Path, case: str) -> None:
    assert digests(case, tmp_path) == json.loads(REFERENCE.read_text())[case]
