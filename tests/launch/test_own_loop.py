"""Users' own training loops under MPI; what they do in virtual time is in tests/unit."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from adsp_mpi.trace import Trace
from tests.contract.recording import Recording
from tests.contract.replay import replay
from tests.launch.launcher import Finished, launch, launch_all, ranks
from tests.unit.constant_task import RATE
from tests.unit.example_data import EXAMPLES, missing, write_data
from tests.unit.own_loops import joint_adamw_in_one_process

RANKS = 3
COMMANDS = {
    "exact": ("tests.unit.followed_loop:followed", "asp", "--max-steps", "40"),
    "joint": ("tests.unit.own_loops:joint_adamw", "bsp", "--max-steps", "21"),
    "no_evaluate": ("tests.unit.own_loops:without_batches", "adsp", "--max-steps", "60"),
    "slow": ("tests.unit.own_loops:judged_slowly", "adsp-fixed", "--max-seconds", "4"),
    "early": ("tests.unit.own_loops:leaving_early", "adsp", "--max-steps", "60"),
    "empty": ("tests.unit.own_loops:without_a_batch", "adsp", "--max-seconds", "30"),
    "dealt": ("tests.unit.number_loops:numbers_to_files", "asp", "--max-steps", "30"),
    "evaluator": ("tests.unit.own_loops:adamw", "adsp", "--max-steps", "60", "--evaluator"),
    "raises": ("tests.unit.own_loops:raising", "ssp", "--max-seconds", "30"),
    "trained": ("tests.unit.own_loops:adamw", "adsp", "--max-steps", "120"),
    "resumed": ("tests.unit.own_loops:adamw", "adsp", "--max-steps", "150", "--resume", "trained"),
}
SETTINGS = (
    "--hetero", "ratio:1.5", "--set", "hetero.step_time_s=0.005", "--set", "eval.period_s=0.2",
    "--set", "sync.check_period_s=0.25",
)  # fmt: skip

FEW_STEPS = 3
TESTED = [name for name in EXAMPLES if not missing(name)]

SCRIPT = """
import torch, adsp_mpi

model = torch.nn.Linear(2, 1)
optimizer = torch.optim.AdamW(model.parameters(), 0.1)
run = adsp_mpi.join(model, optimizer, settings={"stop": {"max_seconds": 60}})
for number, x in enumerate(run([torch.ones(8, 2)])):
    optimizer.zero_grad()
    model(x).square().mean().backward()
    if number == 5 and run.index == 1:
        raise RuntimeError("my own mistake")
    optimizer.step()
"""


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Finished, Path]]:
    """What each command printed, and the folder of its run, under one launch."""
    folder = tmp_path_factory.mktemp("loops")
    few = ("--max-steps", str(FEW_STEPS), "--set", "eval.period_s=10")
    wanted = {item.name for item in request.session.items}
    tested = [name for name in TESTED if f"test_an_example_trains[{name}]" in wanted]
    examples = [
        ["-m", "adsp_mpi", f"adsp_mpi.examples.{name}:train", *SETTINGS, *few, "--out", name]
        for name in tested
    ]
    commands = [
        ["-m", "adsp_mpi", program, "--sync", scheme, *SETTINGS, *limits, "--out", name]
        for name, (program, scheme, *limits) in COMMANDS.items()
    ]
    commands[-1][-1] = "trained"
    with pytest.MonkeyPatch.context() as patch:
        for name in tested:
            for variable, data in write_data(name, folder / "data").items():
                patch.setenv(variable, data)
        done = launch_all(RANKS, [*commands, *examples], folder)
    names = [*COMMANDS, *tested]
    return {name: (run, folder / name) for name, run in zip(names, done, strict=True)}


def model_of(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "model.pt", weights_only=True)
    return state


def test_the_model_is_the_exact_sum_of_all_steps(runs: dict[str, tuple[Finished, Path]]) -> None:
    run, folder = runs["exact"]
    assert run.code == 0, run.err
    weight = model_of(folder)["weight"]
    assert (weight == -RATE * 40).all(), "40 steps of each worker, their mean"


def test_callbacks_are_told_of_each_commit_evaluation_and_checkpoint(
    runs: dict[str, tuple[Finished, Path]],
) -> None:
    """On each worker of its own commits, on rank 0 of all else."""
    _, folder = runs["exact"]
    with Trace(folder) as trace:
        commits = [trace.table(f"workers/{w}/commits") for w in trace.workers]
        evaluations = trace.table("ps/evals")
    files = [file.read_text() for file in folder.parent.glob("callbacks-*.jsonl")]
    told = [[json.loads(line) for line in text.splitlines()] for text in files]
    assert len(told) == RANKS
    own = {facts[0].get("worker", -1): facts for facts in told}
    for worker, rows in enumerate(commits):
        assert {facts["worker"] for facts in own[worker]} == {worker}
        for name, column in (("number", "number"), ("lag", "staleness"), ("done_s", "done_s")):
            assert [facts[name] for facts in own[worker]] == rows[column].tolist()
    ranks_0 = [facts for facts in own[-1] if facts["called"] == "on_evaluation"]
    assert [facts["seconds"] for facts in ranks_0] == evaluations["time_s"].tolist()
    [checkpoint] = [facts for facts in own[-1] if facts["called"] == "on_checkpoint"]
    assert checkpoint["number"] == 1


def test_rounds_of_adamw_are_one_process_on_all_points(
    runs: dict[str, tuple[Finished, Path]],
) -> None:
    run, folder = runs["joint"]
    assert run.code == 0, run.err
    for name, value in model_of(folder).items():
        assert torch.allclose(value, joint_adamw_in_one_process(20)[name], rtol=1e-5, atol=1e-6)


def test_an_ordinary_script_trains_and_goes_on_when_resumed(
    runs: dict[str, tuple[Finished, Path]],
) -> None:
    run, folder = runs["trained"]
    assert run.code == 0, run.err
    assert runs["resumed"][0].code == 0, runs["resumed"][0].err
    with Trace(folder) as trace:
        evaluations = trace.table("ps/evals")
    loss = evaluations["loss"]
    assert loss[-1] < 0.2 * loss[0] and evaluations["steps"][-1] == 150 * (RANKS - 1)


def test_a_rank_that_only_evaluates_gives_the_losses(
    runs: dict[str, tuple[Finished, Path]],
) -> None:
    run, folder = runs["evaluator"]
    assert run.code == 0 and run.error_lines == [], run.err
    with Trace(folder) as trace:
        loss = trace.table("ps/evals")["loss"]
        assert trace.meta["num_workers"] == RANKS - 2
        assert list(trace.frame("events")["kind"]).count("evaluator") == 1
    assert loss[-1] < loss[0]


def test_without_evaluate_the_workers_losses_are_taken(
    runs: dict[str, tuple[Finished, Path]],
) -> None:
    run, folder = runs["no_evaluate"]
    assert run.code == 0, run.err
    with Trace(folder) as trace:
        losses = trace.table("ps/evals")["loss"]
    assert losses[-1] < losses[0]


def test_workers_commit_on_and_the_run_ends_while_the_model_is_being_judged(
    runs: dict[str, tuple[Finished, Path]],
) -> None:
    run, folder = runs["slow"]
    assert run.code == 0, run.err
    with Trace(folder) as trace:
        judged, ended_s = trace.table("ps/evals"), trace.meta["end_s"]
        commits = [trace.table(f"workers/{w}/commits")["begun_s"] for w in trace.workers]
        recording = Recording.of(trace)
    slow = [row for row in judged[1:-1] if row["duration_s"] > 0.4]
    spans = [(row["time_s"], row["time_s"] + row["duration_s"]) for row in slow]
    for times in commits:
        assert any(((start_s < times) & (times < end_s)).any() for start_s, end_s in spans)
    assert slow and judged["time_s"][-1] >= ended_s > judged["time_s"][-2]
    assert model_of(folder)
    commands, targets = recording.tables["ps/observed"], recording.tables["ps/targets"]
    assert len(targets) > len(commands), "the target rose meanwhile"
    assert replay(recording)


def test_a_worker_that_leaves_its_loop_leaves_the_run(
    runs: dict[str, tuple[Finished, Path]],
) -> None:
    run, folder = runs["early"]
    assert run.code == 0, run.err
    with Trace(folder) as trace:
        steps = [len(trace.table(f"workers/{w}/steps")) for w in trace.workers]
    assert steps == [60, 20]


def test_the_workers_together_go_through_the_samples(
    runs: dict[str, tuple[Finished, Path]],
) -> None:
    """Each of 2 workers may hold 2 batches of 3 and has asked for 3 samples more at the end."""
    run, folder = runs["dealt"]
    assert run.code == 0, run.err
    files = sorted(folder.parent.glob("numbers of *.txt"))
    given = [[float(number) for number in file.read_text().split()] for file in files]
    assert [len(numbers) for numbers in given] == [90, 90]
    counts = np.bincount(np.concatenate(given).astype(int), minlength=40)
    assert 40 * counts.max() - counts.sum() <= 40 + 2 * 9


def test_time_in_idle_is_a_wait(runs: dict[str, tuple[Finished, Path]]) -> None:
    with Trace(runs["early"][1]) as trace:
        waits, steps = (trace.table(f"workers/0/{name}") for name in ("waits", "steps"))
    [idle] = waits[waits["reason"] == b"idle"]
    assert idle["duration_s"] >= 0.3
    [before] = np.flatnonzero(steps["start_s"] < idle["start_s"])[-1:]
    assert before == 10 and steps["start_s"][11] >= idle["start_s"] + idle["duration_s"] - 0.02


def test_an_error_in_the_loop_is_told_once_with_its_place(
    runs: dict[str, tuple[Finished, Path]],
) -> None:
    run, _ = runs["raises"]
    assert run.code == 1
    assert run.err.count("RuntimeError: my own mistake") >= 1
    assert run.err.count("Traceback") == 1
    assert re.findall(r'File "[^"]*/(\w+)\.py"', run.err)[0] == "own_loops", "no frames above it"


def test_a_loader_without_a_batch_is_an_error_that_is_told(
    runs: dict[str, tuple[Finished, Path]],
) -> None:
    run, _ = runs["empty"]
    assert run.code == 1
    assert "worker 1: run(batches) got no batch" in run.err


@pytest.mark.one_mpi_is_enough
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_trains(runs: dict[str, tuple[Finished, Path]], name: str) -> None:
    if reason := missing(name):
        pytest.skip(reason)
    run, folder = runs[name]
    assert run.code == 0, run.err
    with Trace(folder) as trace:
        steps = [len(trace.table(f"workers/{w}/steps")) for w in trace.workers]
        losses = trace.table("ps/evals")["loss"]
    assert steps == [FEW_STEPS] * (RANKS - 1)
    assert losses[0] != losses[-1]


def test_an_error_in_a_plain_script_ends_all_ranks(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCRIPT)
    run = launch(RANKS, "mine.py", cwd=tmp_path)
    assert run.code == 1
    assert run.err.count("Traceback") == 1, run.err
    assert re.search(r'mine.py", line 11', run.err) and "adsp_mpi/mpi/" not in run.err, run.err
    assert "worker 1" in run.err
    assert not ranks(tmp_path)
