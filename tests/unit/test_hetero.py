from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.core.hetero.presets import Conditions, geometric_speeds, make_profile, paper_speeds
from adsp_mpi.core.theory import heterogeneity
from adsp_mpi.runtime.profile_file import read_profile


@given(st.integers(2, 100), st.floats(1.0, 1.9))
def test_ratio_has_exactly_the_h_asked_for(num_workers: int, h: float) -> None:
    profile = make_profile(f"ratio:{h}", num_workers, 0.02)
    times = np.array([c.step_time_s for c in profile.workers])
    assert heterogeneity(1 / times) == pytest.approx(h, rel=1e-9)
    assert times.min() == pytest.approx(0.02)


@pytest.mark.parametrize("h", [1.45, 2.0, 2.6, 3.2])
@pytest.mark.parametrize("num_workers", [7, 18, 36])
def test_paper_mix_has_the_papers_h(num_workers: int, h: float) -> None:
    assert heterogeneity(paper_speeds(num_workers, h)) == pytest.approx(h, rel=1e-9)


def test_paper_mix_is_seven_slow_seven_middle_four_fast() -> None:
    values, counts = np.unique(paper_speeds(18, 1.45).round(6), return_counts=True)
    assert list(counts) == [7, 7, 4]
    assert values[1] ** 2 == pytest.approx(values[2] * values[0], rel=1e-5)


def test_geometric_speeds_by_hand() -> None:
    """Two workers: (1 + r) / 2 = 1.5, so r = 2."""
    assert geometric_speeds(2, 1.5) == pytest.approx([1, 2])


def test_none_injects_nothing() -> None:
    profile = make_profile("none", 3, 1.0)
    assert not profile.relative and profile.at(2, 99.0, 7) == Conditions()


def test_file_with_step_times_and_links(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("step_time_s = [0.1, 0.3]\ndelay_s = [0, 2]\nbandwidth_mb_s = [0, 2.5]\n")
    profile = read_profile(path, 2, 1.0, 1)
    assert profile.at(0, 0.0) == Conditions(step_time_s=0.1)
    assert profile.at(1, 0.0).commit_delay_s(5.0) == 4.0


def test_file_with_slowdowns(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text("slowdown = [1, 2.5]")
    profile = read_profile(path, 2, 0.02, 1)
    assert profile.relative and profile.at(1, 0.0).step_time_s == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step_time_s = [0.1]", "list of 2 numbers"),
        ("step_time_s = [0.1, -1]", r"step_time_s\[1\] = -1"),
        ("slowdown = [1, 0.5]", "at least 1"),
        ("slowdown = [1, true]", "True"),
        ("delay_s = [0, nan]", "nan"),
        ("speed = [1, 2]", "unknown key 'speed'"),
        ("slowdown = [1, 2]\nstep_time_s = [1, 2]", "not both"),
        ("slowdown = [", "not TOML"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_profile(path, 2, 1.0, 1)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "spec", ["ratio", "ratio:0.5", "ratio:x", "ratio:nan", "fast", "none:2", "missing.toml"]
)
def test_bad_specs_are_named(spec: str) -> None:
    with pytest.raises(ValueError, match=spec):
        make_profile(spec, 4, 1.0)


def test_one_worker_alone_is_homogeneous() -> None:
    for spec in ("ratio:2", "paper"):
        assert make_profile(spec, 1, 1.0).at(0, 0.0) == Conditions(step_time_s=1.0)


def test_h_beyond_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="out of reach with 2 workers"):
        make_profile("ratio:1e300", 2, 1.0)


def test_heterogeneity_refuses_a_speed_of_zero() -> None:
    with pytest.raises(ValueError):
        heterogeneity(np.array([1.0, 0.0]))
