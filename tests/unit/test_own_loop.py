"""Users' own training loops, joined to a run in virtual time."""

import json
import re
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch
from torch import nn

from adsp_mpi.analysis.metrics import run_metrics
from adsp_mpi.cli import parse
from adsp_mpi.core.models import MODELS, model_class
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.own_loop.host import load_program
from adsp_mpi.own_loop.workload import LoopJudge, LoopTraining, LoopWorkload
from adsp_mpi.screen import report_lines
from adsp_mpi.sim.run import simulate
from tests.unit import own_loops
from tests.unit.constant_task import RATE
from tests.unit.own_loops import SEEN
from tests.unit.simulated import Played
from tests.unit.simulated import play_loop as play

WORKERS = 4


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    SEEN.clear()


def model_of(played: Played) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(played.folder / "model.pt", weights_only=True)
    return state


def losses(played: Played) -> np.ndarray:
    return played.table("ps/evals")["loss"]


@pytest.mark.parametrize("model", [m for m in MODELS if not model_class(m).sets_batch_sizes])
def test_the_model_is_the_exact_sum_of_all_steps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str
) -> None:
    """What ADSP+ tries is undone: of its steps only those after the last restore count."""
    more = {"adacomm": {"trial_local_steps": [4]}, "adsp-plus": {"trial_rates": [1, 3]}}
    sync = {"model": model, **more.get(model, {})}
    played = play(monkeypatch, tmp_path, own_loops.constant, sync=sync, stop={"max_seconds": 20.0})
    weight = model_of(played)["weight"]
    assert (weight == weight[0, 0]).all() and weight[0, 0] < 0
    landed = sum(int(c["steps"].sum()) for c in played.tables("commits"))
    exact = -RATE * landed / WORKERS
    assert weight[0, 0] > exact if model == "adsp-plus" else weight[0, 0] == exact


def test_an_ordinary_script_trains_and_two_simulations_are_equal_to_the_bit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, second = (play(monkeypatch, tmp_path / n, own_loops.adamw) for n in "ab")
    assert losses(first)[-1] < 0.2 * losses(first)[0]
    for name, tensor in model_of(first).items():
        assert torch.equal(tensor, model_of(second)[name]), name
    for path in ("ps/evals", "workers/2/steps", "workers/3/commits"):
        assert first.table(path).tobytes() == second.table(path).tobytes()


def test_every_worker_is_at_the_same_progress_when_the_run_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A schedule by a worker's own steps would end three times as far on the fastest."""
    play(monkeypatch, tmp_path, own_loops.without_batches)
    reached = [SEEN[f"steps of {worker}"] for worker in range(WORKERS)]
    assert len(reached[0]) < len(reached[-1]) / 2
    for progress in reached:
        assert progress == sorted(progress)
        assert progress[0] == 0.0 and 0.9 < progress[-1] <= 1.0


def test_rank_0_serves_and_has_the_results(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    played = play(monkeypatch, tmp_path, own_loops.without_batches)
    assert SEEN["results"] == [played.result]
    assert not SEEN["steps of -1"], "rank 0 takes no step"


def test_without_evaluate_the_loss_is_the_mean_of_the_workers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    played = play(
        monkeypatch,
        tmp_path,
        own_loops.without_batches,
        stop={"target_loss": 2.0},
        eval={"period_s": 0.2},
    )
    assert played.result.report.reason.startswith("target loss")
    last = [steps["loss"][-1] for steps in played.tables("steps")]
    assert min(last) <= losses(played)[-1] <= max(last)


def test_several_models_and_optimizers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    played = play(monkeypatch, tmp_path, own_loops.adversaries)
    assert SEEN["evaluated"][0] == [nn.Linear, nn.Linear]
    for worker, steps in enumerate(played.tables("steps")):
        assert 0 <= SEEN["iterations"].count(worker) - len(steps) <= 1
    assert sorted(model_of(played)) == ["0.bias", "0.weight", "1.bias", "1.weight"]


def test_loggers_are_called_after_every_evaluation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    played = play(monkeypatch, tmp_path, own_loops.adversaries)
    evaluations = played.table("ps/evals")
    assert [step for step, _ in SEEN["logged"]] == list(evaluations["steps"])
    assert [n["loss"] for _, n in SEEN["logged"]] == list(evaluations["loss"])
    assert [n["seconds"] for _, n in SEEN["logged"]] == list(evaluations["time_s"])


@pytest.mark.parametrize("leaving", [own_loops.leaving_early, own_loops.exiting])
def test_a_worker_that_leaves_its_loop_leaves_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, leaving: Callable[[], None]
) -> None:
    played = play(monkeypatch, tmp_path, leaving)
    steps = [len(rows) for rows in played.tables("steps")]
    assert steps[1] == 20 and steps[2] > 20
    assert played.tables("commits")[1]["steps"].sum() == 20, "its last commit holds the rest"


def test_time_for_something_else_is_a_wait_and_no_part_of_a_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    played = play(monkeypatch, tmp_path, own_loops.idling)
    steps = played.tables("steps")[1]
    waits = [played.tables("waits")[worker] for worker in range(WORKERS)]
    assert set(waits[1]["reason"]) == {b"idle"} and not len(waits[0])
    assert len(waits[1]) == len(steps) // 10 and (waits[1]["duration_s"] == 0.5).all()
    assert np.ptp(steps["compute_s"]) < 1e-9, "all steps take as long"
    gaps = np.diff(steps["start_s"]) - steps["compute_s"][:-1]
    assert np.allclose(gaps[9::10], 0.5) and np.allclose(np.delete(gaps, np.s_[9::10]), 0)


def test_loops_that_end_before_the_run_are_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first step of a loop that does not ask for batches begins the run."""

    def warnings(function: Callable[[], Any], **stop: Any) -> list[str]:
        report = play(monkeypatch, tmp_path / str(len(SEEN["model"])), function, stop=stop).result
        return [text for label, text in report_lines(report.report) if label == "warning"]

    [told] = warnings(own_loops.one_pass)
    assert "loops ended, after 6 steps at most" in told and "run(loader)" in told
    assert not warnings(own_loops.without_batches)
    assert not warnings(own_loops.without_batches, max_steps=5)


def test_an_error_in_the_loop_ends_the_run_and_is_told_with_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(AdspError, match="worker 1: RuntimeError: my own mistake") as raised:
        play(monkeypatch, tmp_path, own_loops.failing_at("raise"))
    assert re.findall(r'File "[^"]*/(\w+)\.py"', str(raised.value))[0] == "own_loops"


def test_a_loops_report_has_no_settings_of_tasks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    played = play(monkeypatch, tmp_path, own_loops.constant, stop={"max_seconds": 1.0})
    for report in (played.result.report, run_metrics(tmp_path)):
        settings = json.loads(report.settings)
        assert settings["task"] == {"name": "own-loop"} and "local_lr" not in settings["train"]
        assert settings["stop"]["max_seconds"] == 1.0


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ([{"accuracy": 1.0}], "a dict of numbers with 'loss' in it; it returned accuracy"),
        (["low"], "could not convert string"),
        ([{"loss": 1.0}, {"loss": 1.0, "f1": 0.5}], "return the same names"),
    ],
)
def test_what_evaluate_must_return(returned: list[Any], message: str) -> None:
    answers = iter(returned)
    judge = LoopJudge([nn.Linear(1, 1)], lambda model: next(answers))
    with pytest.raises(AdspError, match=message):
        for _ in returned:
            judge.evaluate()


def test_a_resumed_run_has_the_optimizers_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Interrupted at 5 s and resumed to 10 s, it goes on from the loss that it had."""
    short = play(monkeypatch, tmp_path, own_loops.adamw, stop={"max_seconds": 5.0})
    before = losses(short)
    resumed = play(monkeypatch, tmp_path, own_loops.adamw, run={"resume": str(tmp_path)})
    after = losses(resumed)
    assert list(after[: len(before)]) == list(before)
    assert after[len(before)] < 1.5 * before[-1] and after[-1] < before[-1]


def test_a_resumed_simulation_has_the_runs_number_of_workers_and_names_the_function(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    play(monkeypatch, tmp_path, own_loops.constant, stop={"max_seconds": 1.0})
    resume = ["simulate", "--resume", str(tmp_path), "--max-seconds", "2"]
    request = parse([resume[0], "tests.unit.own_loops:constant", *resume[1:]])
    assert request.config.simulate.workers == WORKERS
    with pytest.raises(UsageError, match="a training loop of your own: name its function"):
        simulate(parse(resume).config, tmp_path)


def test_a_script_in_a_file_trains_as_a_function_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    script = tmp_path / "my_loop.py"
    monkeypatch.setattr(sys, "argv", ["what started it", "--rate", "0.1"])
    ending = (
        "\nif __name__ == '__main__' and sys.argv == [__file__, '--rate', '0.1']:\n    constant()\n"
    )
    script.write_text("import sys\nfrom tests.unit.own_loops import constant\n" + ending)
    played = play(monkeypatch, tmp_path / "run", load_program(str(script)))
    assert (model_of(played)["weight"] < 0).all()
    with pytest.raises(UsageError, match="No such file"):
        load_program("nowhere.py")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: None, "without a call of adsp_mpi.join"),
        (lambda: [own_loops.constant(), own_loops.constant()], "join was called twice"),
    ],
)
def test_what_is_no_training_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, function: Callable[[], Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        play(monkeypatch, tmp_path, function)


def test_a_word_that_names_no_training_is_told_before_its_settings() -> None:
    with pytest.raises(UsageError, match=r"quickstart is neither MODULE:FUNCTION nor FILE\.py"):
        parse(["run", "quickstart", "--set", "task.name=svm"])


def test_a_scheme_that_sets_batch_sizes_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="batchtune-bsp sets the batch sizes"):
        play(monkeypatch, tmp_path, own_loops.constant, sync={"model": "batchtune-bsp"})


def test_settings_of_what_the_loop_does_itself_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"makes no use of train\.local_lr"):
        play(monkeypatch, tmp_path, own_loops.constant, train={"local_lr": 0.5})


def test_an_optimizers_state_is_kept_for_a_restore_and_forgotten_for_a_new_model() -> None:
    """The rates stay: a schedule goes on."""
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    training = LoopWorkload([model], [optimizer], None, "test").training(0)

    def step(size: float) -> list[float]:
        optimizer.zero_grad()
        (size * model(torch.ones(1, 2)).sum()).backward()
        optimizer.step()
        return [float(s["momentum_buffer"].sum()) for s in optimizer.state.values()]

    step(1.0)
    training.keep_snapshot()
    once = step(1.0)
    step(7.0)
    optimizer.param_groups[0]["lr"] = 0.05
    for _ in range(2):
        training.return_to_snapshot()
        assert step(1.0) == once
    assert optimizer.param_groups[0]["lr"] == 0.05
    training.begin_anew()
    assert not optimizer.state


def test_trials_keep_the_optimizers_state_once_and_return_to_it_before_each_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done: list[str] = []
    for name in ("keep_snapshot", "return_to_snapshot"):
        monkeypatch.setattr(LoopTraining, name, lambda self, name=name: done.append(name))
    sync = {"model": "adsp-plus", "trial_rates": [1, 3], "trial_periods": 1}
    play(monkeypatch, tmp_path, own_loops.adamw, sync=sync, stop={"max_seconds": 8.0})
    assert done == ["keep_snapshot"] * WORKERS + ["return_to_snapshot"] * 3 * WORKERS
