"""Which size of operations the benchmark stores."""

from typing import Any

import pytest

from adsp_mpi.bench.chunks import best_of


def rows(*figures: tuple[int, float, float]) -> list[dict[str, Any]]:
    return [{"chunk": c, "commits_s": rate, "p95_ms": p95} for c, rate, p95 in figures]


@pytest.mark.parametrize(
    ("figures", "best"),
    [
        (((16384, 453, 23.7), (65536, 462, 26.8), (262144, 414, 41.3)), 65536),
        (((16384, 450, 20.0), (65536, 460, 25.0), (262144, 455, 26.0)), 16384),
        (((16384, 300, 20.0), (65536, 400, 22.0), (262144, 500, 24.0)), 262144),
        (((16384, 500, 10.0), (65536, 300, 5.0), (262144, 480, 9.0)), 262144),
    ],
    ids=["nearly as good", "clearly later", "clearly slower", "soonest of the fast ones"],
)
def test_the_usual_size_stays_unless_it_is_clearly_worse(figures: Any, best: int) -> None:
    assert best_of(rows(*figures))["chunk"] == best
