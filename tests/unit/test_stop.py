import pytest

from adsp_mpi.core.stop import StopRule, time_to_target, time_to_target_authors

LOSSES = [1.0, 0.4, 0.6, *[0.5] * 4, 0.7, *[0.3] * 10]
EVALUATIONS = [(10.0 * i, loss) for i, loss in enumerate(LOSSES)]


def test_time_to_target_is_the_first_of_ten_in_a_row() -> None:
    assert time_to_target(EVALUATIONS, 0.5) == 80.0
    assert time_to_target(EVALUATIONS[:-1], 0.5) is None


def test_the_authors_rule_counts_ten_anywhere() -> None:
    """Below 0.5 at indices 1, 3-6 and from 8 on: the tenth is index 12."""
    assert time_to_target_authors(EVALUATIONS, 0.5) == 120.0
    assert time_to_target_authors(EVALUATIONS[:12], 0.5) is None


def test_rule_stops_when_the_target_is_held() -> None:
    rule = StopRule(target_loss=0.5)
    reasons = [rule.evaluated({"loss": loss}) for loss in LOSSES]
    assert reasons[:-1] == [None] * (len(LOSSES) - 1)
    assert "target loss 0.5" in (reasons[-1] or "")


def test_rule_stops_on_small_variance_and_on_time() -> None:
    rule = StopRule(loss_variance=1e-6, max_seconds=5)
    assert [rule.evaluated({"loss": 1.0}) for _ in range(9)] == [None] * 9
    assert "variance" in (rule.evaluated({"loss": 1.0}) or "")
    assert rule.timed(4.9) is None and "5 s" in (rule.timed(5.0) or "")


@pytest.mark.parametrize("loss", [0.0, 1.0])
def test_no_limits_never_stop(loss: float) -> None:
    rule = StopRule()
    assert (
        all(rule.evaluated({"loss": loss}) is None for _ in range(30)) and rule.timed(1e9) is None
    )
