"""What a run tells while it goes on: to the user's callbacks, and to Python's logging."""

import logging
from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from torch import nn

import adsp_mpi
from adsp_mpi.config import Config
from adsp_mpi.core.callbacks import NO_CALLBACKS, Callbacks
from adsp_mpi.core.hetero.changes import Death
from adsp_mpi.core.hetero.profile import Conditions, Profile
from adsp_mpi.core.worker_tables import NO_TABLES, Tables
from adsp_mpi.errors import LOGGER, UsageError, story, warn
from adsp_mpi.learn.task import Task
from adsp_mpi.runtime.checkpoint_files import whole_checkpoints
from adsp_mpi.runtime.task_workload import task_workload
from tests.unit import constant_task, own_loops
from tests.unit.simulated import play, play_loop, profile_of

WORKERS = 4


class Noted:
    """Notes what its methods are called with."""

    def __init__(self) -> None:
        self.commits: list[dict[str, Any]] = []
        self.evaluations: list[dict[str, Any]] = []
        self.checkpoints: list[dict[str, Any]] = []

    def on_commit(self, facts: dict[str, Any]) -> None:
        self.commits.append(facts)

    def on_evaluation(self, facts: dict[str, Any]) -> None:
        self.evaluations.append(facts)

    def on_checkpoint(self, facts: dict[str, Any]) -> None:
        assert Path(facts["path"]).is_dir()
        self.checkpoints.append(facts)


def noted_by(made: list[Noted]) -> Callable[[], None]:
    """A loop in which every rank gives callbacks of its own, put into `made` rank by rank."""

    def train() -> None:
        made.append(Noted())
        own_loops.constant([made[-1]])

    return train


def test_a_worker_is_told_of_its_commits_and_rank_0_of_all_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: list[Noted] = []
    played = play_loop(monkeypatch, tmp_path, noted_by(made), checkpoint={"period_s": 4.0})
    server, *workers = made
    assert not server.commits and len(workers) == WORKERS
    for worker, (told, rows) in enumerate(zip(workers, played.tables("commits"), strict=True)):
        assert not told.evaluations and not told.checkpoints
        assert told.commits == [
            {
                "worker": worker,
                "number": row["number"],
                "steps": row["steps"],
                "lag": row["staleness"],
                "begun_s": row["begun_s"],
                "done_s": row["done_s"],
                "blocked_s": row["blocked_s"],
                "sent_bytes": row["sent_bytes"],
            }
            for row in rows
        ]
    assert server.evaluations == [
        {
            "seconds": row["time_s"],
            "duration_s": row["duration_s"],
            "steps": row["steps"],
            "commits": row["landed"],
            "trial": bool(row["trial"]),
            "metrics": {"loss": row["loss"]},
        }
        for row in played.table("ps/evals")
    ]
    numbers = [facts["number"] for facts in server.checkpoints]
    assert numbers == [1, 2, 3] and server.checkpoints[0]["seconds"] >= 4.0
    assert server.checkpoints[-1]["path"] == str(whole_checkpoints(tmp_path)[-1])


def test_an_object_is_asked_for_the_methods_that_it_has() -> None:
    class Commits:
        on_evaluation = None

        def on_commit(self, facts: dict[str, Any]) -> None:
            facts.clear()

    noted = Noted()
    told = Callbacks([Commits(), noted])
    told.call("on_evaluation", {"seconds": 1.0})
    told.call("on_commit", {"number": 1})
    assert noted.evaluations == [{"seconds": 1.0}]
    assert noted.commits == [{"number": 1}], "each has a dict of its own"


def test_where_nobody_listens_commits_are_recorded_as_without_callbacks() -> None:
    class Evaluations:
        def on_evaluation(self, facts: dict[str, Any]) -> None: ...

    assert NO_CALLBACKS.with_commits(NO_TABLES, 0) is NO_TABLES
    assert Callbacks([Evaluations()]).with_commits(NO_TABLES, 0) is NO_TABLES
    rows: list[tuple[Any, ...]] = []
    tables = NO_TABLES._replace(commits=lambda *row: rows.append(row))
    row = (1.0, 2.0, 3, 4, 5, 0.5, 20, 7, 0.0)
    noted = Noted()
    told: Tables = Callbacks([noted]).with_commits(tables, 6)
    told.commits(*row)
    assert rows == [row] and noted.commits[0]["worker"] == 6 and noted.commits[0]["lag"] == 5


@pytest.mark.parametrize("given", [print, {"on_commit": print}])
def test_an_object_without_any_of_the_methods_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: Any
) -> None:
    with pytest.raises(UsageError, match="has no method on_commit, on_evaluation, on_checkpoint"):
        play_loop(monkeypatch, tmp_path, lambda: own_loops.constant([given]))


@pytest.mark.parametrize("name", ["on_commit", "on_evaluation", "on_checkpoint"])
def test_a_callback_that_raises_ends_the_run_with_its_own_story(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    def fail(noted: Noted, facts: dict[str, Any]) -> None:
        raise RuntimeError("my own mistake")

    monkeypatch.setattr(Noted, name, fail)
    with pytest.raises(RuntimeError, match="my own mistake") as raised:
        play_loop(monkeypatch, tmp_path, noted_by([]), checkpoint={"period_s": 2.0})
    assert 'in fail\n    raise RuntimeError("my own mistake")' in story(raised.value)


def test_train_gives_its_callbacks_to_the_ranks_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_quietly(config: Config, task: Task | None, callbacks: Callbacks) -> Callbacks:
        return task_workload(task, callbacks)(config, 1, 0).callbacks

    monkeypatch.setattr("adsp_mpi.mpi.exit.run_quietly", run_quietly)
    noted = Noted()
    told: Any = adsp_mpi.train(constant_task.make(), callbacks=[noted])
    told.call("on_commit", {"number": 1})
    assert noted.commits == [{"number": 1}]
    with pytest.raises(UsageError, match="has no method"):
        adsp_mpi.train(constant_task.make(), callbacks=[noted, 3])


class Draws:
    """Draws random numbers when it is told something."""

    def on_commit(self, facts: dict[str, Any]) -> None:
        torch.rand(5)

    on_evaluation = on_commit


def test_random_numbers_of_a_callback_are_its_own_ranks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Under MPI each rank is a process of its own: worker 1's numbers change no other's steps."""

    def loop(drawing: int | None) -> Callable[[], None]:
        rank = iter(range(-1, WORKERS))

        def train() -> None:
            model = nn.Linear(4, 1)
            optimizer = torch.optim.SGD(model.parameters(), 0.01)
            callbacks = [Draws()] if next(rank) == drawing else []
            run = adsp_mpi.join(model, optimizer, lambda module: 1.0, callbacks=callbacks)
            for _ in run([None]):
                optimizer.zero_grad()
                loss = model(torch.randn(8, 4)).square().mean()
                run.log(loss)
                loss.backward()
                optimizer.step()

        return train

    def first_losses(drawing: int | None) -> list[list[float]]:
        folder = tmp_path / str(drawing)
        sync = {"model": "bsp", "global_lr": 1e-30}  # so that no worker hears of others
        played = play_loop(monkeypatch, folder, loop(drawing), sync=sync)
        return [steps["loss"].tolist() for steps in played.tables("steps")]

    plain = first_losses(None)
    assert first_losses(-1) == plain
    changed = [a != b for a, b in zip(first_losses(1), plain, strict=True)]
    assert changed == [False, True, False, False]


def kinds_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(record, "kind", "line") for record in caplog.records]


def test_the_logger_gets_the_events_of_a_run_that_shows_nothing(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO, "adsp_mpi")
    times = [Conditions(s, delay_s=0.1) for s in (0.1, 0.1, 0.2)]
    made = Profile(tuple(times), changes=(Death([1], 3.0),))
    played = play(
        tmp_path, "adsp-plus", made, sync={"check_period_s": 2.0, "trial_rates": [1, 2]},
        stop={"max_seconds": 30.0}, eval={"period_s": 1.0}, run={"spares": 1},
    )  # fmt: skip
    assert capsys.readouterr() == ("", "")
    kinds = kinds_in(caplog)
    assert kinds[0] == "line" and "quadratic" in caplog.records[0].message
    assert kinds.index("lost") < kinds.index("back")
    assert kinds.count("checkpoint") == 1, "at the end"
    assert kinds.count("end") == 1 and kinds[-1] == "end"
    rows = played.table("ps/evals")
    assert rows["trial"].any()
    assert kinds.count("evaluation") == (rows["trial"] == 0).sum()
    lost = caplog.records[kinds.index("lost")]
    assert vars(lost)["seconds"] >= 3.0 and "s  lost: worker 1" in lost.message
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_a_target_that_is_reached_is_in_the_end(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG, "adsp_mpi")
    play(tmp_path, "asp", profile_of([0.1]), stop={"target_loss": 1.0}, eval={"period_s": 1.0})
    assert "end: target loss" in caplog.records[-1].message


def test_warnings_are_on_stderr_and_in_the_logger(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    warn("the disk is full")
    assert capsys.readouterr().err == "adsp_mpi: warning: the disk is full\n"
    assert [(r.levelname, r.message) for r in caplog.records] == [("WARNING", "the disk is full")]


def test_without_a_handler_nothing_is_printed_twice() -> None:
    """Python's handler of last resort prints warnings for loggers without any."""
    assert any(isinstance(handler, logging.NullHandler) for handler in LOGGER.handlers)
