"""What holds for every test."""

import pytest
from hypothesis import HealthCheck, settings

# Property tests assert no time: a loaded machine must not fail them.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several tests at once a file stays together, and so do those that share runs."""
    for item in items:
        folder, name = item.path.parent.name, item.path.stem
        group = folder if folder in ("contract", "cluster") else name
        item.add_marker(pytest.mark.xdist_group(group))
