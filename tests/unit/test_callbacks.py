"""The callbacks with stand-ins for the libraries; the examples run them with the real ones."""

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Callable

import pytest
import torch
from torch import nn

import adsp_mpi
from tests.unit.simulated import Played, play_loop

Loop = Callable[[Any, Callable[[], None]], None]
"""A library's loop: it is given the run, and what takes a step."""


def imported(monkeypatch: pytest.MonkeyPatch, name: str, library: str, **classes: type) -> Any:
    """The callback of this name, while `library` is a stand-in that has these classes."""
    stand_in = ModuleType(library)
    stand_in.__dict__.update(classes)
    monkeypatch.setitem(sys.modules, library, stand_in)
    monkeypatch.delitem(sys.modules, f"adsp_mpi.callbacks.{name}", raising=False)
    importlib.import_module(f"adsp_mpi.callbacks.{name}")
    return sys.modules.pop(f"adsp_mpi.callbacks.{name}").StopWithRun


def trained_by(monkeypatch: pytest.MonkeyPatch, folder: Path, loop: Loop) -> Played:
    """A run of ten steps of each of two workers, whose loop is the library's."""

    def train() -> None:
        model = nn.Linear(4, 1)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        run = adsp_mpi.join(model, optimizer, evaluate=lambda module: 1.0)

        def step() -> None:
            optimizer.zero_grad()
            model(torch.ones(8, 4)).square().mean().backward()
            optimizer.step()

        if run.server:
            run.serve()
        else:
            loop(run, step)

    return play_loop(monkeypatch, folder, train, simulate={"workers": 2}, stop={"max_steps": 10})


def test_hugging_faces_trainer_stops_with_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stop_with_run = imported(monkeypatch, "hugging_face", "transformers", TrainerCallback=object)

    def loop(run: Any, step: Callable[[], None]) -> None:
        callback, control = stop_with_run(run), SimpleNamespace(should_training_stop=False)
        callback.on_train_begin(None, None, control, model=None)
        while not control.should_training_stop:
            step()
            callback.on_step_end(None, None, control, model=None)

    played = trained_by(monkeypatch, tmp_path, loop)
    assert [len(steps) for steps in played.tables("steps")] == [10, 10]


def test_lightnings_trainer_stops_with_the_run_and_its_losses_are_logged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "lightning", ModuleType("lightning"))
    stop_with_run = imported(monkeypatch, "lightning", "lightning.pytorch", Callback=object)

    def loop(run: Any, step: Callable[[], None]) -> None:
        callback, trainer = stop_with_run(run), SimpleNamespace(should_stop=False)
        callback.on_train_start(trainer, None)
        while not trainer.should_stop:
            callback.on_before_backward(trainer, None, torch.tensor(0.25))
            step()
            callback.on_train_batch_end(trainer, None, None, None, 0)

    played = trained_by(monkeypatch, tmp_path, loop)
    for steps in played.tables("steps"):
        assert len(steps) == 10 and (steps["loss"] == 0.25).all()


@pytest.mark.parametrize(
    ("name", "library", "extra"),
    [
        ("hugging_face", "transformers", "transformers"),
        ("lightning", "lightning.pytorch", "lightning"),
    ],
)
def test_a_missing_library_is_named_with_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, name: str, library: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"adsp_mpi.callbacks.{name}", raising=False)
    with pytest.raises(ImportError, match=rf"pip install 'adsp-mpi\[{extra}\]'"):
        importlib.import_module(f"adsp_mpi.callbacks.{name}")
