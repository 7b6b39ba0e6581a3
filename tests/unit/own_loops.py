"""Training scripts of users, as functions without arguments that call `adsp_mpi.join`."""

import sys
import time
from collections import defaultdict
from typing import Any, Callable, Sequence

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import adsp_mpi
from tests.unit.constant_task import RATE, make_model

SEEN: dict[str, list[Any]] = defaultdict(list)
"""What the functions below note, by worker; cleared by the tests."""


def points(count: int = 256) -> TensorDataset:
    """x, float32[count, 4], and y, the sum of each row."""
    x = torch.randn(count, 4, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, x.sum(1, keepdim=True))


def validate(model: nn.Module) -> dict[str, float]:
    x, y = points().tensors
    return {"loss": float(nn.functional.mse_loss(model(x), y)), "mean": float(model(x).mean())}


def constant(callbacks: Sequence[Any] = ()) -> None:
    """Every step subtracts RATE from every parameter; every third moves them to other memory."""
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), RATE)
    run = adsp_mpi.join(model, optimizer, evaluate=lambda module: 1e4, callbacks=callbacks)
    for number, _ in enumerate(run([None])):
        optimizer.zero_grad()
        sum(p.sum() for p in model.parameters()).backward()
        if number % 3 == 0:
            for parameter in model.parameters():
                parameter.data = parameter.data.clone()
        optimizer.step()


def adamw(each_step: Callable[[Any, int, torch.Tensor], Any] = lambda *_: None) -> Any:
    """AdamW with a schedule by progress, batch norm, clipping and shuffled shards."""
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.AdamW(model.parameters(), 0.02)
    run = adsp_mpi.join(model, optimizer, evaluate=validate)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1 - run.progress)
    run.keep(scheduler=scheduler)
    loader = DataLoader(run.shard(points()), 16, shuffle=True)
    for number, (x, y) in enumerate(run(loader)):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        run.log(loss)
        each_step(run, number, loss)
        optimizer.step()
        scheduler.step()
    SEEN["rates"].append(optimizer.param_groups[0]["lr"])
    return run


def failing_at(kind: str) -> Callable[[], None]:
    """`adamw` in which worker 1 does something at its fifth step."""

    def each_step(run: Any, number: int, loss: torch.Tensor) -> None:
        if run.index == 1 and number == 5:
            if kind == "raise":
                raise RuntimeError("my own mistake")
            if kind == "nan":
                run.log(loss * float("nan"))
        if kind == "nan from there on" and run.index == 1 and number >= 5:
            run.log(loss * float("nan"))

    return lambda: adamw(each_step)


def diverging() -> None:
    """The weights of worker 1 become NaN at its fifth step."""

    def train(run: Any, step: Callable[[], None]) -> None:
        for number, _ in enumerate(run([None])):
            if run.index == 1 and number == 5:
                with torch.no_grad():
                    SEEN["model"][run.index + 1].weight.fill_(float("nan"))
            step()

    _by_hand(train)


def leaving_early() -> None:
    """Worker 1 breaks out of its loop after 20 steps; worker 0 is idle once."""

    def train(run: Any, step: Callable[[], None]) -> None:
        for number, _ in enumerate(run([None])):
            step()
            if run.index == 0 and number == 10:
                with run.idle():
                    time.sleep(0.3)
            if run.index == 1 and number == 19:
                break

    _by_hand(train)


def exiting() -> None:
    """Worker 1 ends its program after 20 steps."""

    def train(run: Any, step: Callable[[], None]) -> None:
        for number, _ in enumerate(run([None])):
            step()
            if run.index == 1 and number == 19:
                sys.exit()

    _by_hand(train)


def idling() -> None:
    """Worker 1 does something else for a while after every tenth step, and before the run."""

    def train(run: Any, step: Callable[[], None]) -> None:
        with run.idle(simulated_s=5.0):
            pass
        for number, _ in enumerate(run([None])):
            step()
            if run.index == 1 and number % 10 == 9:
                with run.idle(simulated_s=0.5):
                    time.sleep(0.1)

    _by_hand(train)


def one_pass() -> None:
    """A loop over the batches themselves, of which there are seven."""

    def train(run: Any, step: Callable[[], None]) -> None:
        for _ in range(7):
            step()

    _by_hand(train)


def judged_slowly() -> None:
    """Evaluations take longer than a check period of 0.25 s; meanwhile the model stays.

    The second one takes so long that the commit target rises.
    """
    model = nn.Linear(1, 1)
    durations_s = iter([0.0, 2.75])
    optimizer = torch.optim.SGD(model.parameters(), 0.01)

    def evaluate(judged: nn.Module) -> float:
        before = [parameter.clone() for parameter in judged.parameters()]
        time.sleep(next(durations_s, 0.5))
        assert all(map(torch.equal, before, judged.parameters()))
        return 1.0

    for _ in adsp_mpi.join(model, optimizer, evaluate)([0]):
        model(torch.ones(1, 1)).sum().backward()
        optimizer.step()


def without_batches() -> None:
    """A loop that asks `run.running` and lets rank 0 serve."""

    def train(run: Any, step: Callable[[], None]) -> None:
        if run.server:
            SEEN["results"].append(run.serve())
        while run.running:
            step()

    _by_hand(train)


def _by_hand(train: Callable[[Any, Callable[[], None]], None]) -> None:
    model = nn.Linear(4, 1)
    SEEN["model"].append(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    x, y = points().tensors

    def step() -> None:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        run.log(loss)
        SEEN[f"steps of {run.index}"].append(run.progress)
        optimizer.step()

    run = adsp_mpi.join(model, optimizer)
    train(run, step)


def adversaries() -> None:
    """Two models with an optimizer each; an iteration ends with the second one's step."""
    maker, critic = nn.Linear(2, 4), nn.Linear(4, 1)
    first = torch.optim.Adam(maker.parameters(), 1e-2)
    second = torch.optim.Adam(critic.parameters(), 1e-2)

    def log(numbers: dict[str, float], step: int) -> None:
        SEEN["logged"].append((step, numbers))

    def evaluate(models: list[nn.Module]) -> float:
        SEEN["evaluated"].append([type(model) for model in models])
        return float(critic(maker(torch.ones(1, 2))).abs())

    run = adsp_mpi.join([maker, critic], [first, second], evaluate=evaluate, loggers=[log])
    for noise in run([torch.randn(8, 2)]):
        SEEN["iterations"].append(run.index)
        for optimizer, sign in ((first, 1.0), (second, -1.0)):
            optimizer.zero_grad()
            (sign * critic(maker(noise)).mean()).backward()
            optimizer.step()


def without_a_batch() -> None:
    """Worker 1's loader leaves out what is less than a batch, which is all it has."""

    def train(run: Any, step: Callable[[], None]) -> None:
        size = 1000 if run.index == 1 else 8
        for _ in run(DataLoader(run.shard(points(), fixed=True), size, drop_last=True)):
            step()

    _by_hand(train)


def raising() -> None:
    """Worker 1 fails at its fifth step."""
    failing_at("raise")()


def on_the_whole_shard(
    make_optimizer: Callable[[Any], torch.optim.Optimizer], kind: str = "plain"
) -> Callable[[], None]:
    """Every step is on all points of the worker.

    `kind` is plain, closure, scaled, or early, for a loop that begins the run by a step.
    """

    def train() -> None:
        torch.manual_seed(3)
        model = nn.Linear(4, 1)
        optimizer = make_optimizer(model.parameters())
        run = adsp_mpi.join(model, optimizer, evaluate=validate)
        scaler = torch.amp.GradScaler("cpu", enabled=kind == "scaled")
        data = run.shard(points())
        batches = [[torch.stack(column) for column in zip(*data, strict=True)]]

        def backward(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            scaler.scale(loss).backward()
            return loss

        def step(x: torch.Tensor, y: torch.Tensor) -> None:
            if kind.endswith("closure"):
                optimizer.step(lambda: backward(x, y))
            else:
                backward(x, y)
                scaler.step(optimizer)
                scaler.update()

        if kind.startswith("early") and not run.server:
            step(*batches[0])
        for x, y in run(batches):
            step(x, y)

    return train


def joint_adamw() -> None:
    """All points in one batch of all workers."""
    on_the_whole_shard(lambda parameters: torch.optim.AdamW(parameters, 0.05))()


def joint_adamw_in_one_process(steps: int) -> dict[str, torch.Tensor]:
    """What `joint_adamw` trains, after this many steps of one process."""
    torch.manual_seed(3)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.AdamW(model.parameters(), 0.05)
    x, y = points().tensors
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    return model.state_dict()
