"""Compressed commits in virtual time."""

from pathlib import Path

import numpy as np
import pytest

from adsp_mpi.core.compression import commit_bytes, make_codec
from adsp_mpi.core.hetero.profile import Conditions, Profile
from adsp_mpi.errors import UsageError
from adsp_mpi.runtime.resume import resumed_config
from adsp_mpi.sim.run import simulate
from tests.unit.simulated import config_of, play, profile_of
from tests.unit.test_sim_resume import after, contents, make_config


@pytest.mark.parametrize("model", ["adsp-plus", "bsp", "ssp"])
@pytest.mark.parametrize("compress", ["topk:0.2", "float16"])
def test_stopped_anywhere_and_resumed_it_ends_in_the_same_bytes(
    tmp_path: Path, model: str, compress: str
) -> None:
    whole, folder, train = tmp_path / "whole", tmp_path / "cut", {"compress": compress}
    simulate(make_config(whole, model, train=train), whole)
    for looks in (40, 133):
        simulate(make_config(folder, model, train=train), folder, stopped=after(looks))
        simulate(resumed_config(str(folder)), folder)
        assert contents(folder) == contents(whole)
        for file in folder.glob("*.*"):
            file.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["adsp-fixed", "bsp", "asp"])
@pytest.mark.parametrize("compress", ["topk:0.1", "float16", "bfloat16"])
def test_the_optimum_is_reached_all_the_same(tmp_path: Path, model: str, compress: str) -> None:
    """Without noise the quadratic's loss falls to nothing, whatever is left for later."""
    settings = {
        "task": {"noise": 0.0, "dimensions": 100},
        "train": {"compress": compress},
        "simulate": {"workers": 4},
        "stop": {"max_seconds": 400.0},
        "sync": {"commit_rate": 20} if model == "adsp-fixed" else {},
    }
    played = play(tmp_path, model, profile_of([0.5, 0.6, 0.8, 1.0]), **settings)
    losses = played.table("ps/evals")["loss"]
    assert losses[-1] < 1e-3 * losses[0]
    sent = np.concatenate([rows["sent_bytes"] for rows in played.tables("commits")])
    assert (sent == commit_bytes(make_codec(compress), 100)).all()


def test_fewer_bytes_arrive_sooner(tmp_path: Path) -> None:
    """4 MB/s and 4 bytes a number: 1000 numbers take 1 ms, and half of it as float16."""
    profile = Profile((Conditions(0.1, bandwidth_mb_s=4.0),) * 2)
    for compress, took_s in (("none", 1e-3), ("float16", 5e-4), ("topk:0.01", 1.5e-5)):
        settings = {
            "task": {"dimensions": 1000},
            "train": {"compress": compress},
            "stop": {"max_steps": 20},
        }
        for rows in play(tmp_path, "asp", profile, **settings).tables("commits"):
            assert rows["done_s"] - rows["begun_s"] == pytest.approx(took_s)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="topk:SHARE"):
        config_of("asp", train={"compress": "zip"})
    with pytest.raises(UsageError, match=r"run\.servers, not both"):
        config_of("asp", train={"compress": "float16"}, run={"servers": 2})
