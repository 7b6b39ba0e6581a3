"""Tasks trained by any optimizer of torch, in virtual time, beside the same loop by hand."""

import math
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau

import adsp_mpi
from adsp_mpi.cli import parse
from adsp_mpi.config import Config
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.partition import iid
from adsp_mpi.learn.sample_order import BatchOrder
from adsp_mpi.learn.updates import LearningRate
from adsp_mpi.runtime.resume import resumed_config
from adsp_mpi.sim.run import simulate
from tests.mpi.bsp_rounds import SAMPLES, data, make_model, make_task
from tests.unit.simulated import Played, play, profile_of
from tests.unit.test_sim_resume import after, contents, make_config

SEED, BATCH_SIZE, STEPS = 9, 8, 40
RATE = 0.03
ADAMW = {
    "optimizer": "AdamW",
    "local_lr": RATE,
    "optimizer_options": {"weight_decay": 0.05, "betas": [0.8, 0.95]},
}
MADE: list[torch.optim.Optimizer] = []
"""The optimizers that `scheduled` has made, by worker."""


def softmax_regression() -> adsp_mpi.Task:
    return make_task(None)


def scheduled() -> adsp_mpi.Task:
    """With an optimizer and a scheduler of its own: the rate is the number of its steps."""

    def optimizer(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        MADE.append(torch.optim.SGD(parameters, 1e-6, momentum=0.5))
        return MADE[-1]

    task = make_task(None)
    task.optimizer, task.scheduler = optimizer, lambda made: LambdaLR(made, lambda steps: steps)
    return task


def with_parts(**parts: Any) -> Callable[[], adsp_mpi.Task]:
    def factory() -> adsp_mpi.Task:
        return adsp_mpi.Task(make_model, data(), data(), **parts)

    return factory


nothing = with_parts(optimizer=lambda parameters: None)
lbfgs = with_parts(optimizer=torch.optim.LBFGS)
plateau = with_parts(scheduler=ReduceLROnPlateau)
one_cycle = with_parts(scheduler=lambda made: OneCycleLR(made, 0.1, total_steps=1000))
adam = with_parts(optimizer=torch.optim.Adam)


def train(folder: Path, train: dict[str, Any], *step_times_s: float, **more: Any) -> Played:
    sections = {
        "task": {"name": "tests.unit.test_optimizers:softmax_regression"},
        "run": {"seed": SEED},
        "sync": {"check_period_s": 5.0},
        "stop": {"max_steps": STEPS},
        **more,
    }
    profile = profile_of(list(step_times_s) or [1.0])
    fixed = {"batch_size": BATCH_SIZE, "partition": "iid"}
    return play(folder, "asp", profile, train=fixed | train, **sections)


def trained(played: Played) -> torch.Tensor:
    state = torch.load(played.folder / "model.pt", weights_only=True)
    return torch.cat([value.flatten() for value in state.values()])


def by_hand(grad_clip: float = math.inf, rate: Callable[[float], float] = lambda _: 1.0) -> Any:
    """AdamW in one process; returns its weights as one vector."""
    model = make_model()
    x, y = data()
    order = BatchOrder(iid(SAMPLES, 1, SEED)[0], np.random.default_rng([SEED, 0]))
    optimizer = torch.optim.AdamW(model.parameters(), RATE, (0.8, 0.95), weight_decay=0.05)
    for step in range(STEPS):
        batch = torch.from_numpy(order.next_indices(BATCH_SIZE))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
        optimizer.param_groups[0]["lr"] = RATE * rate(step / STEPS)
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize(
    ("more", "hand"),
    [
        ({}, by_hand),
        ({"accumulate": 3}, by_hand),
        ({"grad_clip": 0.1}, lambda: by_hand(grad_clip=0.1)),
        (
            {"schedule": "cosine"},
            lambda: by_hand(rate=lambda done: 0.5 + 0.5 * math.cos(math.pi * done)),
        ),
        ({"warmup": 0.5}, lambda: by_hand(rate=lambda done: min(1.0, 2 * done))),
    ],
)
def test_one_worker_is_the_loop_by_hand(
    tmp_path: Path, more: dict[str, Any], hand: Callable[[], torch.Tensor]
) -> None:
    expected = hand()
    assert (trained(train(tmp_path, ADAMW | more)) - expected).norm() / expected.norm() < 1e-5


def test_sgd_is_that_of_torch_too(tmp_path: Path) -> None:
    own = trained(train(tmp_path / "own", {"accumulate": 2, "local_lr": 0.1}))
    made = train(tmp_path / "made", {"optimizer_options": {"momentum": 0.0}, "local_lr": 0.1})
    assert torch.allclose(own, trained(made), atol=1e-6)


def test_losses_in_bfloat16_train_float32_weights(tmp_path: Path) -> None:
    exact, rough = (train(tmp_path / amp, ADAMW | {"amp": amp}) for amp in ("none", "bf16"))
    losses = rough.table("ps/evals")["loss"]
    assert losses[-1] < 0.7 * losses[0]
    assert trained(rough).dtype == torch.float32
    assert 0 < (trained(exact) - trained(rough)).abs().max() < 0.1


def test_a_schedule_is_at_the_same_rate_on_fast_and_slow_workers(tmp_path: Path) -> None:
    MADE.clear()
    task = {"name": "tests.unit.test_optimizers:scheduled"}
    played = train(tmp_path, {}, 0.1, 0.7, task=task, stop={"max_seconds": 20.0})
    for optimizer in MADE:
        assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-6 * 970, rel=0.04)
    assert [len(rows) for rows in played.tables("steps")] == [200, 29]


def test_the_rate_over_the_run() -> None:
    rate = LearningRate(0.1, 0.5, 10, "cosine", 0.2)
    assert [rate.at(0, p) for p in (0.0, 0.1, 0.2, 1.0)] == pytest.approx([0.0, 0.05, 0.1, 0.0])
    assert rate.at(10, 0.6) == pytest.approx(0.1 * 0.5 * 0.5)
    assert LearningRate(0.1, 1.0, 1, "cosine", 1.0).at(3, 1.0) == 0.1


@pytest.mark.parametrize("model", ["adsp-plus", "asp"])
def test_stopped_and_resumed_it_ends_in_the_same_bytes(tmp_path: Path, model: str) -> None:
    """ADSP+ goes back to its snapshot, which has the moments in it."""
    more: dict[str, Any] = {
        "task": "tests.unit.test_optimizers:softmax_regression",
        "train": {**ADAMW, "schedule": "cosine", "batch_size": BATCH_SIZE},
        "simulate": {"server_bandwidth_mb_s": 1.0},
        "stop": {"max_seconds": 8.0},
    }
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    simulate(make_config(whole, model, **more), whole)
    simulate(make_config(cut, model, **more), cut, stopped=after(60))
    simulate(resumed_config(str(cut)), cut)
    assert contents(cut) == contents(whole)


def test_so_does_a_task_with_a_scheduler(tmp_path: Path) -> None:
    more: dict[str, Any] = {
        "task": "tests.unit.test_optimizers:one_cycle",
        "simulate": {"server_bandwidth_mb_s": 1.0},
        "stop": {"max_seconds": 4.0},
    }
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    simulate(make_config(whole, "asp", **more), whole)
    simulate(make_config(cut, "asp", **more), cut, stopped=after(30))
    simulate(resumed_config(str(cut)), cut)
    assert contents(cut) == contents(whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["optimizer=adamvv"], "(did you mean adam?)"),
        (["optimizer=LBFGS"], "there are: adadelta"),
        (["optimizer_options={wd=1}"], "sgd has no 'wd'; there are: momentum"),
        (["optimizer=adamw", "optimizer_options={lr=1}"], "learning rate is train.local_lr"),
        (["optimizer=adamw", "optimizer_options={betas=2}"], "train.optimizer_options: adamw: "),
        (["optimizer=adamw", "optimizer_options={eps=-1.0}"], "Invalid epsilon value: -1.0"),
        (["optimizer=adamw", "optimizer_options=3"], "must be a table"),
        (["accumulate=0"], "at least 1"),
        (["amp=fp16"], "there are none, bf16"),
        (["warmup=1.5"], "at most 1"),
        (["schedule=cosine"], "set stop.max_seconds or stop.max_steps"),
    ],
)
def test_bad_settings_are_refused_in_one_line(settings: list[str], message: str) -> None:
    sets = [word for text in settings for word in ("--set", f"train.{text}")]
    with pytest.raises(UsageError) as error:
        parse(["--task", "digits-cnn", *sets])
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("nothing", {}, "gave a NoneType, not a torch Optimizer (is a return missing?)"),
        ("lbfgs", {}, "the task's optimizer is LBFGS"),
        ("plateau", {}, "the task's scheduler gave a ReduceLROnPlateau"),
        ("adam", {"local_lr": 0.5}, "train.local_lr: the task has its own optimizer"),
        ("adam", {"optimizer": "sgd", "optimizer_options": {"momentum": 0.5}}, "own optimizer"),
        ("one_cycle", {"warmup": 0.1}, "train.warmup: the task has its own scheduler"),
        ("softmax_regression", {"optimizer": "muon"}, "train.optimizer = muon: Muon only"),
    ],
)
def test_what_a_task_cannot_have_is_refused(
    tmp_path: Path, name: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        train(tmp_path, settings, task={"name": f"tests.unit.test_optimizers:{name}"})
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_newly_chosen_optimizer_has_torchs_rate_unless_one_is_given_for_it() -> None:
    adamw, own = {"optimizer": "adamw"}, {"local_lr": 0.2}
    assert Config().with_values({"train": adamw}, "x").train.local_lr == 1e-3
    assert Config().with_values({"train": adamw | own}, "x").train.local_lr == 0.2
    below = Config().with_values({"train": own}, "x")
    assert below.with_values({"train": adamw}, "y").train.local_lr == 1e-3
    chosen = Config().with_values({"train": adamw | own}, "x")
    assert chosen.with_values({"train": {"optimizer": "AdamW"}}, "y").train.local_lr == 0.2
    assert chosen.with_values({"train": {"optimizer": "sgd"}}, "y").train.local_lr == 0.1
