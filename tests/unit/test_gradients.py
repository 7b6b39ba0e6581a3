"""Rounds whose commits carry gradients are one process's training, whatever the optimizer."""

from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch
from torch import nn

from adsp_mpi.cli import parse
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.partition import iid
from adsp_mpi.learn.sample_order import BatchOrder
from adsp_mpi.own_loop.workload import LoopWorkload
from adsp_mpi.runtime.local_step import commits_gradients
from adsp_mpi.runtime.resume import resumed_config
from adsp_mpi.sim.run import simulate
from tests.mpi.bsp_rounds import SAMPLES, data, make_model, make_task
from tests.unit import own_loops
from tests.unit.simulated import Played, config_of, play, profile_of
from tests.unit.test_own_loop import model_of
from tests.unit.test_own_loop import play as play_loop
from tests.unit.test_sim_resume import after, contents, make_config

SEED, BATCH_SIZE, ROUNDS = 9, 8, 41
MOMENTUM = {"momentum": 0.9, "weight_decay": 0.01, "nesterov": True}
TASK = {"name": "tests.unit.test_gradients:softmax_regression"}
OPTIMIZERS: dict[str, tuple[dict[str, Any], Callable[..., torch.optim.Optimizer]]] = {
    "sgd": (
        {"optimizer_options": MOMENTUM, "local_lr": 0.05},
        lambda parameters: torch.optim.SGD(parameters, 0.05, **MOMENTUM),
    ),
    "adamw": (
        {"optimizer": "adamw", "local_lr": 0.02},
        lambda parameters: torch.optim.AdamW(parameters, 0.02),
    ),
}


def softmax_regression() -> Any:
    return make_task(None)


def in_one_process(optimizer: str, sizes: np.ndarray, grad_clip: float = 0.0) -> torch.Tensor:
    """Float64: a step for each row of `sizes`, int[steps, workers], on all workers' batches."""
    model = make_model().double()
    made = OPTIMIZERS[optimizer][1](model.parameters())
    x, y = data()
    parts = iid(SAMPLES, sizes.shape[1], SEED)
    orders = [BatchOrder(p, np.random.default_rng([SEED, i])) for i, p in enumerate(parts)]
    for row in sizes:
        batches = [order.next_indices(size) for order, size in zip(orders, row, strict=True)]
        joint = torch.from_numpy(np.concatenate(batches))
        made.zero_grad()
        nn.functional.cross_entropy(model(x[joint].double()), y[joint]).backward()
        if grad_clip:
            nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
        made.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def train(folder: Path, scheme: str, train: dict[str, Any], **sync: Any) -> Played:
    return play(
        folder, scheme, profile_of([0.1, 0.2, 0.5], 0.1), task=TASK, run={"seed": SEED},
        train={"batch_size": BATCH_SIZE, "partition": "iid", **train}, stop={"max_steps": ROUNDS},
        sync={"check_period_s": 2.0, **sync},
    )  # fmt: skip


def assert_trained_to(run: Played, expected: torch.Tensor) -> None:
    trained = torch.cat([value.flatten() for value in model_of(run).values()])
    assert (trained.double() - expected).norm() / expected.norm() < 1e-5


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("grad_clip", [0.0, 0.2])
def test_bsp_is_one_process_on_the_joint_batch(
    tmp_path: Path, optimizer: str, grad_clip: float
) -> None:
    """The global model is the one before the last round's step."""
    run = train(tmp_path, "bsp", {**OPTIMIZERS[optimizer][0], "grad_clip": grad_clip})
    sizes = np.full((ROUNDS - 1, 3), BATCH_SIZE)
    assert_trained_to(run, in_one_process(optimizer, sizes, grad_clip))


def test_so_is_batchtune_with_batches_of_any_size(tmp_path: Path) -> None:
    run = train(tmp_path, "batchtune-bsp", OPTIMIZERS["adamw"][0])
    sizes = np.stack([steps["batch_size"] for steps in run.tables("steps")], axis=1)
    assert sizes[-1].tolist() == [14, 7, 3]
    assert_trained_to(run, in_one_process("adamw", sizes[:-1]))


def test_plain_sgd_may_commit_gradients_too(tmp_path: Path) -> None:
    whole, parts = (
        train(tmp_path / c, "bsp", {"local_lr": 0.2}, commits=c) for c in ("weights", "gradients")
    )
    longer = parts.table("ps/evals")["loss"][-1]
    assert whole.table("ps/evals")["loss"][-1] == pytest.approx(longer, rel=0.05)


@pytest.mark.parametrize("kind", ["plain", "early", "closure", "early closure", "scaled"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_users_loop_is_one_process_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, optimizer: str, kind: str
) -> None:
    make = OPTIMIZERS[optimizer][1]
    loop = own_loops.on_the_whole_shard(make, kind)
    limits = {"stop": {"max_seconds": 0.0, "max_steps": ROUNDS}}
    run = play_loop(monkeypatch, tmp_path, loop, sync={"model": "bsp"}, **limits)
    torch.manual_seed(3)
    model = nn.Linear(4, 1).double()
    made = make(model.parameters())
    x, y = (tensor.double() for tensor in own_loops.points().tensors)
    for _ in range(ROUNDS - 1):
        made.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        made.step()
    assert_trained_to(run, torch.cat([p.detach().flatten() for p in model.parameters()]))


class Ours(torch.optim.AdamW):
    """An optimizer of a user's own."""


def test_the_closure_of_an_optimizer_that_is_not_torchs_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """SAM calls it a second time in the same step, where other weights want another gradient."""
    loop = own_loops.on_the_whole_shard(Ours, "closure")
    with pytest.raises(AdspError, match=r"Ours\.step\(closure\) may compute several gradients"):
        play_loop(monkeypatch, tmp_path / "gradients", loop, sync={"model": "bsp"})
    sync = {"model": "bsp", "commits": "weights"}
    play_loop(monkeypatch, tmp_path / "weights", loop, sync=sync, stop={"max_seconds": 1.0})


def test_a_scaler_must_unscale_before_a_step_that_would_do_it_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loop = own_loops.on_the_whole_shard(lambda p: torch.optim.AdamW(p, fused=True), "scaled")
    with pytest.raises(AdspError, match=r"call scaler.unscale_\(optimizer\)"):
        play_loop(monkeypatch, tmp_path, loop, sync={"model": "bsp"})


def test_a_resumed_loop_makes_the_step_that_was_due(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loop = own_loops.on_the_whole_shard(OPTIMIZERS["adamw"][1])
    sync = {"model": "bsp"}

    def run(name: str, steps: int, **more: Any) -> Played:
        limits = {"max_seconds": 0.0, "max_steps": steps}
        return play_loop(monkeypatch, tmp_path / name, loop, sync=sync, stop=limits, **more)

    whole = run("whole", 20)
    run("cut", 9)
    resumed = run("cut", 20, run={"resume": str(tmp_path / "cut")})
    for name, tensor in model_of(whole).items():
        assert torch.equal(tensor, model_of(resumed)[name])


@pytest.mark.parametrize("model", ["bsp", "batchtune-bsp"])
def test_a_task_stopped_and_resumed_ends_in_the_same_bytes(tmp_path: Path, model: str) -> None:
    more: dict[str, Any] = {
        "task": TASK["name"],
        "train": {**OPTIMIZERS["adamw"][0], "schedule": "cosine"},
        "simulate": {"server_bandwidth_mb_s": 1.0},
        "stop": {"max_seconds": 8.0},
    }
    whole = tmp_path / "whole"
    simulate(make_config(whole, model, **more), whole)
    for looks in (30, 55, 80):
        cut = tmp_path / f"cut-{looks}"
        simulate(make_config(cut, model, **more), cut, stopped=after(looks))
        simulate(resumed_config(str(cut)), cut)
        assert contents(cut) == contents(whole)


@pytest.mark.parametrize(
    ("scheme", "settings", "gradients"),
    [
        ("bsp", {}, False),
        ("bsp", {"sync": {"commits": "gradients"}}, True),
        ("bsp", {"train": {"optimizer": "adamw"}}, True),
        ("batchtune-bsp", {"train": {"optimizer_options": {"momentum": 0.9}}}, True),
        ("bsp", {"train": {"grad_clip": 1.0}}, True),
        ("bsp", {"train": {"optimizer": "adamw"}, "sync": {"commits": "weights"}}, False),
        ("bsp", {"train": {"optimizer": "adamw", "compress": "float16"}}, False),
        ("bsp", {"train": {"optimizer": "adamw"}, "sync": {"global_lr": 0.5}}, False),
        ("fixed-adacomm", {"train": {"optimizer": "adamw"}}, False),
        ("adsp", {"train": {"optimizer": "adamw"}}, False),
    ],
)
def test_what_commits_carry(scheme: str, settings: dict[str, Any], gradients: bool) -> None:
    config = config_of(scheme, **{"task": TASK, **settings})
    assert commits_gradients(softmax_regression(), config) is gradients


@pytest.mark.parametrize(
    ("make", "gradients"),
    [
        (lambda p: torch.optim.Adam(p), True),
        (lambda p: torch.optim.SGD(p, 0.1, momentum=0.5), True),
        (lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.1), False),
        (lambda p: torch.optim.LBFGS(p), False),
    ],
)
def test_what_commits_of_a_loop_carry(
    make: Callable[[Any], torch.optim.Optimizer], gradients: bool
) -> None:
    model = nn.Linear(2, 1)

    def workload(optimizers: list[torch.optim.Optimizer]) -> LoopWorkload:
        return LoopWorkload([model], optimizers, None, "test").configured(config_of("bsp"))

    alone, two = workload([make(model.parameters())]), workload([make(model.parameters())] * 2)
    assert alone.commits_gradients is gradients
    assert not two.commits_gradients
    assert len(alone.model.values) == (7 if gradients else 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["sync.model=asp"], "commits is always 'weights' here"),
        (["sync.model=wbsp"], "gradients are committed in rounds of one step only"),
        (["sync.model=bsp", "sync.global_lr=0.5"], "sync.global_lr: the mean"),
        (["sync.model=bsp", "train.compress=float16"], "train.compress: gradients are committed"),
    ],
)
def test_settings_that_leave_gradients_no_meaning_are_refused(
    settings: list[str], message: str
) -> None:
    sets = [word for text in settings for word in ("--set", text)]
    with pytest.raises(UsageError) as error:
        parse(["--task", "digits-cnn", "--set", "sync.commits=gradients", *sets])
    assert message in str(error.value) and "\n" not in str(error.value)


def test_the_quadratic_has_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"leave out sync\.commits"):
        play(tmp_path, "bsp", profile_of([1.0]), sync={"commits": "gradients"})


@pytest.mark.parametrize(
    "loop", [own_loops.adversaries, own_loops.on_the_whole_shard(torch.optim.LBFGS)]
)
def test_loops_without_one_gradient_a_step_commit_no_gradients(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, loop: Callable[[], None]
) -> None:
    with pytest.raises(UsageError, match="one gradient a step"):
        play_loop(monkeypatch, tmp_path, loop, sync={"model": "bsp", "commits": "gradients"})
