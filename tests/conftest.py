"""Settings of all tests: the time limit of an example, and which tests share a process."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")


def pytest_itemcollected(item: pytest.Item) -> None:
    """A file's tests go to one process; so do all of contract/, which share their runs.

    The unit tests are the quick tier, but for those marked slow.
    """
    folder = item.path.parent.name
    item.add_marker(pytest.mark.xdist_group("contract" if folder == "contract" else item.path.stem))
    if folder == "unit" and not item.get_closest_marker("slow"):
        item.add_marker(pytest.mark.quick)
