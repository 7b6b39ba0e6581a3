"""The paper's experiments, with a fake simulator that needs no time."""

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import pytest

pytest.importorskip("matplotlib")

from adsp_mpi.analysis.experiments import ALL, load_experiment
from adsp_mpi.analysis.experiments.outcome import Outcome, run_config, thinned
from adsp_mpi.analysis.experiments.paper import paper
from adsp_mpi.analysis.experiments.result import OWN_BEST, PAPERS_VALUES, Case, Result
from adsp_mpi.analysis.experiments.runner import Runner, all_of, key_of
from adsp_mpi.analysis.experiments.setting import paper_setting
from adsp_mpi.analysis.experiments.tables import (
    notes,
)
from adsp_mpi.analysis.experiments.tuning import choices, race
from adsp_mpi.config import Config
from adsp_mpi.core.report import Report, WorkerReport
from adsp_mpi.errors import AdspError, Interrupted, UsageError

SLOWNESS = {"adsp": 10, "adsp-fixed": 11, "adsp-plus": 11, "ssp": 20, "bsp": 40}


def fake_simulate(config: Config) -> Any:
    """Time to target in proportion to the model's slowness, less with larger rates."""
    options = config.sync.options
    factor = options.get("global_lr", 0.0) * config.simulate.workers or 1.0
    if config.train.local_lr * factor > 1:
        raise AdspError("the loss is NaN")
    slowness = SLOWNESS.get(config.sync.model, 15) * (1 + config.hetero.delay_s / 100)
    slowness += config.run.seed + 0.2 * options.get("local_steps", 0)
    target_s = round(slowness * 10 / config.train.local_lr / factor)
    limit_s = config.stop.max_seconds
    reached = target_s + 9 * config.eval.period_s < limit_s
    seconds = min(target_s + 9 * config.eval.period_s, limit_s)
    worker = WorkerReport(
        worker=0,
        steps=int(seconds),
        commits=5,
        speed=1.0,
        computing_share=0.7,
        committing_share=0.2,
        waiting_share=0.1,
        sent_mb=1.15,
        staleness=3.0,
    )
    workers = (worker,) * config.simulate.workers
    return SimpleNamespace(
        report=Report(
            reason="fake",
            seconds=seconds,
            metrics={},
            time_to_target_s=target_s if reached else None,
            time_to_target_authors_s=None,
            trial_s=100.0 if config.sync.model == "adsp-plus" else 0.0,
            measured_h=1.45,
            num_workers=len(workers),
            steps=sum(worker.steps for worker in workers),
            commits=sum(worker.commits for worker in workers),
            sent_mb_s=1.15 / seconds,
            seed=config.run.seed,
            workers=workers,
        ),
        evaluations=[(20.0 * k, 2.3 / (1 + 5 * k / slowness)) for k in range(int(seconds / 20))],
        targets=[
            {"time_s": 0.0, "commit_rate": 2, "phase": "search", "implicit_momentum": float("nan")},
            {"time_s": 60.0, "commit_rate": 3, "phase": "train", "implicit_momentum": 0.25},
        ],
        told=[("search", {"time_s": 60.0, "commit_rate": 2, "reward": float("inf")})],
        actions=1000 * len(workers),
        wall_s=0.01 * len(workers),
    )


def counted(calls: list[Config], simulate: Callable[[Config], Any] = fake_simulate) -> Any:
    def run(config: Config) -> Outcome:
        calls.append(config)
        return run_config(config, simulate)

    return run


def base(**values: Any) -> Config:
    return paper_setting(Path()).config("bsp", values)


def test_a_kept_run_is_not_run_again_and_a_cut_line_is(tmp_path: Path) -> None:
    calls: list[Config] = []
    configs = [base(run={"seed": seed}) for seed in (1, 2, 1)]
    first = Runner(tmp_path, 0, counted(calls)).play([all_of(configs), all_of(configs[:1])])
    assert [outcome.seed for outcome in first[0]] == [1, 2, 1]
    assert len(calls) == 2
    again = Runner(tmp_path, 0, counted(calls)).play([all_of(configs)])
    assert again[0] == first[0]
    assert len(calls) == 2

    path = tmp_path / "runs.jsonl"
    path.write_text(path.read_text()[:-10])
    Runner(tmp_path, 0, counted(calls)).play([all_of(configs)])
    assert [config.run.seed for config in calls] == [1, 2, 2]
    assert [json.loads(line)["seed"] for line in path.read_text().splitlines()] == [1, 2]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").write_text("{}\n")
    with pytest.raises(AdspError, match="line 1 is no run"):
        Runner(tmp_path, 0)


def test_the_key_is_the_content_not_the_place(tmp_path: Path) -> None:
    def config(folder: str, text: str) -> Config:
        path = tmp_path / folder / "profile.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return base(run={"out": folder}, hetero={"profile": str(path)})

    one, same, other = config("a", "x = 1"), config("b", "x = 1"), config("c", "x = 2")
    assert key_of(one) == key_of(same) != key_of(other)
    [[outcome]] = Runner(tmp_path, 0, counted([])).play([all_of([one])])
    assert str(tmp_path) not in outcome.config


@pytest.mark.slow
def test_processes_do_the_same_as_this_one(tmp_path: Path) -> None:
    configs = [base(run={"seed": seed}) for seed in (1, 2, 3)]
    run = partial(run_config, simulate=fake_simulate)
    here, there, each = (
        [
            replace(outcome, peak_memory_mb=None)
            for outcome in Runner(folder, jobs, run).play([all_of(configs)], one_run_each)[0]
        ]
        for folder, jobs, one_run_each in (
            (tmp_path / "here", 0, False),
            (tmp_path / "there", 2, False),
            (tmp_path / "each", 2, True),
        )
    )
    assert here == there == each


def refuse(config: Config) -> Any:
    raise UsageError("no such thing")


def crash(config: Config) -> Any:
    raise ZeroDivisionError("a bug")


def vanish(config: Config) -> Any:
    sys.exit(7)


@pytest.mark.parametrize(
    ("simulate", "kind", "text"),
    [
        (refuse, UsageError, "no such thing"),
        (crash, RuntimeError, "a bug"),
        (vanish, AdspError, "ended with 7"),
    ],
)
def test_what_a_process_meets_ends_the_set(
    tmp_path: Path, simulate: Any, kind: type[Exception], text: str
) -> None:
    runner = Runner(tmp_path, 1, partial(run_config, simulate=simulate))
    with pytest.raises(kind, match=text):
        runner.play([all_of([base()])])


def test_an_interrupted_set_keeps_what_is_finished(tmp_path: Path) -> None:
    def interrupted(config: Config) -> Any:
        if config.run.seed == 2:
            raise KeyboardInterrupt
        return fake_simulate(config)

    calls: list[Config] = []
    with pytest.raises(Interrupted, match="goes on"):
        paper(["adsp_plus"], tmp_path, 0, 3, counted(calls, interrupted))
    kept = (tmp_path / "runs.jsonl").read_text().splitlines()
    assert len(kept) == len(calls) - 1 > 0


def test_a_run_that_fails_is_an_outcome() -> None:
    outcome = run_config(base(train={"local_lr": 2.0}), fake_simulate)
    assert outcome.failed == "the loss is NaN"
    assert outcome.time_to_target_s is None


def test_what_is_not_finite_is_none() -> None:
    outcome = run_config(base(), fake_simulate)
    assert outcome.searches[0]["reward"] is None
    assert outcome.targets[0]["implicit_momentum"] is None


def test_thinned_keeps_the_ends() -> None:
    points = thinned(list(range(1001)), 5)
    assert points == [0, 250, 500, 750, 1000]
    assert thinned([1, 2], 5) == [1, 2]


def test_a_race_picks_the_soonest_and_cuts_the_others(tmp_path: Path) -> None:
    calls: list[Config] = []
    config = paper_setting(tmp_path).config("fixed-adacomm")
    [found] = Runner(tmp_path, 0, counted(calls)).play([race(config, (1, 2, 3))])
    assert str(found.choice) == "eta' 0.4, eta 2/M, tau 10"
    assert [outcome.seed for outcome in found.outcomes] == [1, 2, 3]

    in_race = calls[:-6]
    assert len(in_race) == 36
    assert key_of(in_race[0]) == key_of(config)
    limits = [c.stop.max_seconds for c in in_race]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] < limits[0] == config.stop.max_seconds
    assert all(c.stop.max_seconds == config.stop.max_seconds for c in calls[-6:])
    assert [c.run.seed for c in calls[-6:]] == [2, 3] * 3


def test_the_median_of_the_finalists_decides_not_the_luck_of_one_seed(tmp_path: Path) -> None:
    def simulate(config: Config) -> Any:
        done = fake_simulate(config)
        lucky = config.run.seed == 1 and config.train.local_lr == 0.1
        if lucky and done.report.time_to_target_s:
            done.report = replace(done.report, time_to_target_s=1.0)
        return done

    config = paper_setting(tmp_path).config("bsp")
    [found] = Runner(tmp_path, 0, counted([], simulate)).play([race(config, (1, 2, 3))])
    assert found.choice and found.choice.local_lr > 0.1


def test_a_race_begins_with_the_configurations_own_values() -> None:
    config = paper_setting(Path()).config("fixed-adacomm")
    grid = choices(config)
    assert len(grid) == 36
    first = grid[0].apply(config, config.run.seed, config.stop.max_seconds)
    assert key_of(first) == key_of(config)


def test_a_choice_raced_elsewhere_is_run_here_with_all_seeds(tmp_path: Path) -> None:
    calls: list[Config] = []
    here, there = base(hetero={"delay_s": 5.0}), base()
    case = Case("bsp", here, at=5.0, raced=there)
    one = replace(load_experiment("delay"), cases=lambda setting: [case])
    [result] = one.run(paper_setting(tmp_path), (1, 2, 3), Runner(tmp_path, 0, counted(calls)))
    assert result.choice and [o.seed for o in result.columns[OWN_BEST]] == [1, 2, 3]
    assert {c.hetero.delay_s for c in calls[-3:]} == {5.0}
    assert len([c for c in calls if c.hetero.delay_s == 5.0]) == 6


def test_a_race_that_nobody_wins_says_so(tmp_path: Path) -> None:
    config = base(stop={"max_seconds": 100.0})
    [found] = Runner(tmp_path, 0, counted([])).play([race(config, (1, 2))])
    assert (found.choice, found.outcomes) == (None, [])
    result = Result(Case("bsp", config), {PAPERS_VALUES: [], OWN_BEST: []})
    assert "bsp: nothing on the grid reached the target." in notes([result])


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_every_experiment_leaves_its_files(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paper([name], tmp_path, 0, 2, counted([]))
    page = (tmp_path / f"{name}.md").read_text()
    assert page in capsys.readouterr().out
    assert str(tmp_path) not in page
    assert page.startswith(f"# {load_experiment(name).title}")
    assert f"({name}.md)" in (tmp_path / "README.md").read_text()
    files = {suffix: (tmp_path / f"{name}.{suffix}").read_bytes() for suffix in ("pdf", "png")}

    paper([name], tmp_path, 0, 2, refuse)
    for suffix, content in files.items():
        assert content and (tmp_path / f"{name}.{suffix}").read_bytes() == content


def test_an_unknown_experiment_is_answered_with_the_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are: models, "):
        paper(["nodels"], tmp_path, 0, 3)


@pytest.mark.parametrize(("jobs", "seeds"), [(-1, 3), (2, 0)])
def test_numbers_out_of_range_are_refused(tmp_path: Path, jobs: int, seeds: int) -> None:
    with pytest.raises(UsageError, match="at least"):
        paper([], tmp_path, jobs, seeds)


def test_a_missing_matplotlib_is_told_before_any_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adsp_mpi.analysis.extras.find_spec", lambda name: None)
    with pytest.raises(AdspError, match="pip install"):
        paper([], tmp_path, 0, 3)
    assert not (tmp_path / "runs.jsonl").exists()
