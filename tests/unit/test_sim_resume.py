"""A simulation that is stopped and resumed, once or again and again, ends in the same bytes."""

import random
from itertools import count
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch

from adsp_mpi.config import Config
from adsp_mpi.core.models import MODELS
from adsp_mpi.errors import NothingToDo, UsageError
from adsp_mpi.runtime.checkpoint_files import whole_checkpoints
from adsp_mpi.runtime.resume import resumed_config
from adsp_mpi.screen import QuietScreen
from adsp_mpi.sim.problem import make_problem
from adsp_mpi.sim.run import simulate
from adsp_mpi.trace import Trace
from tests.unit.simulated import config_of
from tests.unit.test_sim_repeats import PROFILE


def make_config(folder: Path, model: str, task: str = "quadratic", **more: Any) -> Config:
    folder.mkdir(exist_ok=True)
    (folder.parent / "p.toml").write_text(PROFILE)
    settings: dict[str, dict[str, Any]] = {
        "task": {"name": task},
        "run": {"out": str(folder)},
        "hetero": {"profile": str(folder.parent / "p.toml")},
        "sync": {"check_period_s": 1.5},
        "simulate": {"workers": 3, "server_bandwidth_mb_s": 1e-3 if task == "quadratic" else 2.0},
        "eval": {"period_s": 0.7},
        "stop": {"max_seconds": 30.0 if task == "quadratic" else 2.0},
    }
    for name, values in more.items():
        settings[name] = settings.get(name, {}) | values
    return config_of(model, **settings)


def contents(folder: Path) -> dict[str, bytes]:
    with Trace(folder) as trace:
        tables = {path: trace.table(path) for path in trace.tables}
    found = {p: repr(rows.tolist()).encode() for p, rows in tables.items()}
    [model] = folder.glob("model.*")
    return found | {"model": model.read_bytes()}


def after(looks: int) -> Callable[[], bool]:
    """Says stop from the given number of looks on."""
    made = count()
    return lambda: next(made) >= looks


@pytest.mark.parametrize("model", MODELS)
def test_stopped_anywhere_and_resumed_it_ends_in_the_same_bytes(tmp_path: Path, model: str) -> None:
    whole = tmp_path / "whole"
    simulate(make_config(whole, model), whole)
    for looks in random.Random(model).sample(range(3, 400), 4):
        folder = tmp_path / f"cut-{looks}"
        config = make_config(folder, model)
        stopped = simulate(config, folder, stopped=after(looks))
        assert stopped.report.reason == "stopped by a signal"
        simulate(resumed_config(str(folder)), folder)
        assert contents(folder) == contents(whole)


@pytest.mark.parametrize("looks", [5, 9, 14])
def test_so_does_a_run_whose_workers_wait_for_a_second(tmp_path: Path, looks: int) -> None:
    model, whole, cut = "tests.unit.test_sim_waits:Rests", tmp_path / "whole", tmp_path / "cut"
    simulate(make_config(whole, model), whole)
    stopped = simulate(make_config(cut, model), cut, stopped=after(looks))
    assert stopped.report.reason == "stopped by a signal"
    simulate(resumed_config(str(cut)), cut)
    assert contents(cut) == contents(whole)


@pytest.mark.parametrize(("model", "compress"), [("adsp-plus", "none"), ("ssp", "topk:0.25")])
def test_so_does_a_run_with_an_outer_momentum(tmp_path: Path, model: str, compress: str) -> None:
    sections: dict[str, dict[str, Any]] = {
        "sync": {"check_period_s": 1.5, "outer": "nesterov:0.5"},
        "train": {"compress": compress},
    }
    whole, plain = tmp_path / "whole", tmp_path / "plain"
    simulate(make_config(whole, model, **sections), whole)
    simulate(make_config(plain, model, train={"compress": compress}), plain)
    assert contents(whole)["model"] != contents(plain)["model"]
    for looks in random.Random(model).sample(range(3, 400), 4):
        folder = tmp_path / f"cut-{looks}"
        simulate(make_config(folder, model, **sections), folder, stopped=after(looks))
        simulate(resumed_config(str(folder)), folder)
        assert contents(folder) == contents(whole)


@pytest.mark.parametrize("model", MODELS)
def test_a_run_that_has_ended_goes_on_with_a_larger_limit_to_the_same_bytes(
    tmp_path: Path, model: str
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    simulate(make_config(whole, model, stop={"max_seconds": 23.0}), whole)
    simulate(make_config(parts, model, stop={"max_seconds": 7.3}), parts)
    for limit_s in (15.0, 23.0):
        longer = resumed_config(str(parts)).with_values({"stop": {"max_seconds": limit_s}}, "test")
        assert simulate(longer, parts).report.reason == f"{limit_s:g} s are over"
    assert contents(parts) == contents(whole)


@pytest.mark.parametrize("model", ["adsp", "bsp", "ssp"])
def test_workers_that_took_all_their_steps_take_more_when_they_may(
    tmp_path: Path, model: str
) -> None:
    folder = tmp_path / "a"
    limits = {"max_seconds": 0.0, "max_steps": 10}
    reason = "every worker took its last step"
    assert simulate(make_config(folder, model, stop=limits), folder).report.reason == reason
    notes = Notes()
    more = resumed_config(str(folder)).with_values({"stop": {"max_steps": 20}}, "test")
    report = simulate(more, folder, notes).report
    assert report.reason == reason and [worker.steps for worker in report.workers] == [20] * 3
    assert any(f"where the run had ended: {reason}" in note for note in notes.texts)
    with Trace(folder) as trace:
        for worker in trace.workers:
            assert (np.diff(trace.table(f"workers/{worker}/steps")["start_s"]) > 0).all()
            numbers = trace.table(f"workers/{worker}/commits")["number"]
            assert list(numbers) == list(range(1, len(numbers) + 1))


def test_a_run_that_reached_its_target_goes_on_to_a_lower_one(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    stop = {"max_seconds": 200.0, "target_loss": 0.5}
    low = {"stop": stop | {"target_loss": 0.3}}
    assert "target" in simulate(make_config(parts, "asp", stop=stop), parts).report.reason
    report = simulate(resumed_config(str(parts)).with_values(low, "test"), parts).report
    assert report == simulate(make_config(whole, "asp", **low), whole).report
    assert contents(parts) == contents(whole)


@pytest.mark.parametrize(
    ("limits", "smaller", "told"),
    [
        ({"max_seconds": 7.0}, {"max_seconds": 6.0}, r"7 s are over; .* larger --max-seconds"),
        (
            {"max_steps": 9},
            {"max_steps": 8},
            r"every worker took .* larger --max-steps",
        ),
        (
            {"target_loss": 0.5},
            {"target_loss": 0.6},
            r"target loss 0\.5 held .* smaller --target-loss",
        ),
        ({"loss_variance": 1.0}, {"loss_variance": 2.0}, r"converged: .* or stop\.loss_variance"),
    ],
)
def test_a_run_that_had_ended_is_left_alone_unless_it_may_go_on(
    tmp_path: Path, limits: dict[str, float], smaller: dict[str, float], told: str
) -> None:
    folder = tmp_path / "a"
    stop = {"max_seconds": 0.0} | limits
    simulate(make_config(folder, "asp", stop=stop), folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    resumed = resumed_config(str(folder))
    for values in ({}, smaller):
        with pytest.raises(NothingToDo, match=f"had ended after .* s: {told}") as raised:
            simulate(resumed.with_values({"stop": values}, "test"), folder)
        assert raised.value.exit_code == 0 and "\n" not in str(raised.value)
    assert {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()} == before


def test_another_scheme_is_refused_by_its_name(tmp_path: Path) -> None:
    simulate(make_config(tmp_path, "adsp"), tmp_path, stopped=after(50))
    other = resumed_config(str(tmp_path)).with_values({"sync": {"model": "bsp"}}, "test")
    told = r"sync\.model was 'adsp' and cannot become 'bsp' midway; leave it, or begin"
    with pytest.raises(UsageError, match=told):
        simulate(other, tmp_path)


class Notes(QuietScreen):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def test_again_and_again(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "cut"
    simulate(make_config(whole, "adsp-plus"), whole)
    config = make_config(folder, "adsp-plus", run={"resume": "auto", "out": str(folder)})
    for _ in range(200):
        if simulate(config, folder, stopped=after(37)).report.reason == "30 s are over":
            break
    assert contents(folder) == contents(whole)


@pytest.mark.slow
def test_so_does_a_torch_model_whatever_was_drawn_meanwhile(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "cut"
    simulate(make_config(whole, "adsp", "digits-cnn"), whole)
    simulate(make_config(folder, "adsp", "digits-cnn"), folder, stopped=after(17))
    torch.rand(10)
    np.random.rand(10)
    simulate(resumed_config(str(folder)), folder)
    assert contents(folder) == contents(whole)


def test_checkpoints_by_the_clock_change_nothing_and_old_ones_go(tmp_path: Path) -> None:
    whole, often = tmp_path / "whole", tmp_path / "often"
    simulate(make_config(whole, "ssp"), whole)
    simulate(make_config(often, "ssp", checkpoint={"period_s": 2.0, "keep": 3}), often)
    assert contents(often) == contents(whole)
    assert [path.name for path in whole_checkpoints(often)] == ["00000013", "00000014", "00000015"]
    simulate(resumed_config(str(often / "checkpoints" / "00000013")), often)
    assert contents(often) == contents(whole)


def test_a_longer_limit_can_be_given_but_nothing_that_is_trained_can_change(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "a"
    simulate(make_config(folder, "asp"), folder, stopped=after(50))
    longer = resumed_config(str(folder)).with_values({"stop": {"max_seconds": 33.0}}, "test")
    assert simulate(longer, folder).report.reason == "33 s are over"
    other = longer.with_values({"train": {"batch_size": 16}}, "test")
    with pytest.raises(UsageError, match=r"train\.batch_size was 32 and cannot become 16"):
        simulate(other, folder)


@pytest.mark.parametrize("task", ["quadratic", "cancer-svm"])
def test_another_learning_rate_holds_from_the_checkpoint_on(tmp_path: Path, task: str) -> None:
    """At rate 0 nothing moves any more once what was learnt before has been committed.

    The number of loader processes may be another one too.
    """
    simulate(make_config(tmp_path, "asp", task), tmp_path, stopped=after(50))
    resumed = resumed_config(str(tmp_path))
    values = {
        "train": {"local_lr": 0.0, "lr_decay": 0.5, "loaders": 1},
        "stop": {"max_seconds": 60.0},
    }
    losses = [
        loss for _, loss in simulate(resumed.with_values(values, "test"), tmp_path).evaluations
    ]
    assert losses[0] > 1.2 * losses[-1] and len(set(losses[-5:])) == 1


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "cut"
    simulate(make_config(whole, "bsp"), whole)
    config = make_config(folder, "bsp", checkpoint={"period_s": 5.0})
    simulate(config, folder, stopped=after(500))
    newest = whole_checkpoints(folder)[-1] / "server.npz"
    newest.write_bytes(newest.read_bytes()[:-200])
    simulate(resumed_config(str(folder)), folder)
    assert contents(folder) == contents(whole)
    for path in whole_checkpoints(folder):
        (path / "server.npz").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="is damaged"):
        resumed_config(str(folder))


def test_without_a_checkpoint_auto_begins_and_a_path_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    config = make_config(folder, "asp", run={"resume": "auto", "out": str(folder)})
    assert simulate(config, folder).report.reason == "30 s are over"
    with pytest.raises(UsageError, match=r"--resume: .*: no checkpoint in"):
        resumed_config(str(tmp_path / "nowhere"))


def test_a_checkpoint_of_a_model_with_its_parameters_in_another_order_is_refused() -> None:
    problem = make_problem(config_of("asp", task={"name": "digits-mlp"}), 2)
    turned = {**problem.state_dict(), "layout": problem.state_dict()["layout"][::-1]}
    with pytest.raises(UsageError, match="the checkpoint is of another model"):
        problem.load_state_dict(turned)
