"""When the batch job ends, and how long before that a run stops itself."""

import time

import pytest

from adsp_mpi.runtime.slurm import JobEnd, parse_left, seconds_left


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0:42", 42),
        ("1:00", 60),
        ("2:03:04", 2 * 3600 + 184),
        ("1-00:00:01", 86401),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("", None),
    ],
)
def test_what_squeue_answers(text: str, seconds: float | None) -> None:
    assert parse_left(text) == seconds


def test_without_a_job_there_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_JOB_END_TIME"):
        monkeypatch.delenv(name, raising=False)
    assert seconds_left() is None and not JobEnd().is_near(1e9)


@pytest.mark.parametrize(("left_s", "margin_s"), [(60, 10), (1000, 50), (86400, 120)])
def test_it_is_near_by_a_share_of_the_time_and_by_what_a_checkpoint_takes(
    left_s: float, margin_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time() + left_s)))
    end = JobEnd()
    spare_s = left_s - margin_s
    assert not end.is_near((spare_s - 5) / 3)
    assert end.is_near((spare_s + 5) / 3)


def test_a_slurm_that_does_not_answer_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_END_TIME", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("PATH", "/nowhere")
    assert seconds_left() is None
