"""The summary of traces made by hand; and of broken ones."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from adsp_mpi.analysis.__main__ import main
from adsp_mpi.analysis.metrics import run_metrics
from adsp_mpi.analysis.summary import summary
from adsp_mpi.analysis.verbs import VERBS, load_verb
from adsp_mpi.core.report import Report
from adsp_mpi.core.theory import momentum_of_lag
from adsp_mpi.errors import AdspError
from adsp_mpi.trace import schema
from tests.unit.made_run import MadeRun, MadeWorker, make_run, searching_run

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(params=["written now", "of version 2"])
def report(request: pytest.FixtureRequest, tmp_path: Path) -> Report:
    """Of one run: as this code writes it, and as a trace that was committed long ago has it."""
    if request.param == "written now":
        return run_metrics(searching_run().write(tmp_path))
    return run_metrics(GOLDEN / "searching-v2.h5")


def test_workers_by_hand(report: Report) -> None:
    fast, slow = report.workers
    assert (fast.worker, fast.host, fast.steps, fast.commits) == (0, "a", 8, 2)
    assert (fast.speed, slow.speed) == (1.0, 0.5)
    assert fast.computing_share == pytest.approx(2 / 8.5)
    assert fast.sleeping_share == pytest.approx(6 / 8.5)
    assert fast.committing_share == pytest.approx(0.5 / 8.5)
    assert fast.waiting_share == 0
    assert slow.computing_share == pytest.approx(0.2)
    assert slow.waiting_share == pytest.approx(0.15)
    assert (fast.staleness, fast.max_staleness) == (0.5, 1)
    assert (slow.staleness, slow.max_staleness) == (2.0, 3)
    assert (slow.sent_mb, slow.sent_mb_s) == (2.0, 0.2)
    assert (fast.injected_step_time_s, slow.injected_step_time_s) == (1.0, 2.0)


def test_the_run_by_hand(report: Report) -> None:
    assert (report.steps, report.commits, report.sent_mb, report.sent_mb_s) == (12, 4, 4, 0.2)
    assert (report.seconds, report.reason, report.parameters) == (10, "10 s are over", 1234)
    assert (report.time_to_target_s, report.time_to_target_authors_s) == (4.0, 8.5)
    assert (report.search_s, report.trial_s, report.tried) == (8.0, 0.0, 2)
    assert (report.staleness, report.max_staleness) == (1.25, 3)
    assert report.momentum_by_theorem == pytest.approx((4 * 0.2 + 2 * 0.5) / 6)
    assert report.momentum_by_staleness == pytest.approx(1 - 1 / 2.25)
    assert report.measured_h == report.injected_h == pytest.approx(1.5)
    assert (report.evaluations, report.last_loss) == (21, 0.25)
    assert report.evaluating_share == pytest.approx(0.21)
    assert report.metrics == {"loss": 0.25, "test_accuracy": 1.0}
    assert report.waiting_share == pytest.approx(0.075)
    assert (report.speedup_limit, report.fastest) == (12 / 10 / 1.0, 0), "12 steps in 10 s; 1 a s"
    assert report.notes == ()


def test_commits_of_rounds_have_no_momentum(tmp_path: Path) -> None:
    assert run_metrics(make_run(tmp_path)).momentum_by_staleness is None


@pytest.mark.parametrize("workers", [1, 2, 18])
def test_workers_that_take_turns_have_the_momentum_of_their_number(workers: int) -> None:
    assert momentum_of_lag(workers - 1) == pytest.approx(1 - 1 / workers)
    geometric = [(1 / workers) * (1 - 1 / workers) ** k for k in range(2000)]
    mean = sum(k * share for k, share in enumerate(geometric))
    assert momentum_of_lag(mean) == pytest.approx(1 - 1 / workers)
    with pytest.raises(ValueError, match="at least 0"):
        momentum_of_lag(-1)


def test_the_text_lines_up_and_says_all(report: Report) -> None:
    lines = summary(report).splitlines()
    assert lines[0] == "adsp on t, 2 workers, 1,234 parameters, speeds none, MPI, seed 1"
    table = lines[1:5]
    assert len({len(line) for line in table}) == 1
    assert 80 <= len(table[0]) <= 110
    assert table[1].split() == (
        [
            "0",
            "8",
            "1",
            "23.5%",
            "70.6%",
            "5.9%",
            "0.0%",
            "2",
            "0.5",
            "1",
            "2",
            "0.2",
        ]  # one figure a column
    )
    assert table[3].split()[:3] == ["all", "12", "0.75"]
    text = "\n".join(lines[5:])
    for words in (
        "after 10.0 s: 10 s are over",
        "0.2500 at last; test_accuracy 1.0000",
        "4.0 s for loss 0.5 (by the authors' rule: 8.5 s)",
        "at most 1.20 over worker 0 alone, by samples per second",
        "8.0 s while training went on, 2 settings tried",
        "1.500 measured, 1.500 injected",
        "0.300 by ADSP's Theorem 1, 0.556 by the lag",
        "21, 21.0% of rank 0's time",
    ):
        assert words in text


def test_of_many_workers_the_slowest_and_the_fastest_are_shown(tmp_path: Path) -> None:
    workers = [MadeWorker(steps=[(0.0, 1.0 + k, 0.0, 1.0, 32)]) for k in range(50)]
    report = run_metrics(replace(searching_run(), workers=workers).write(tmp_path))
    lines = summary(report).splitlines()
    shown = [line.split()[0] for line in lines[2:43]]
    slowest, fastest = range(49, 29, -1), range(19, -1, -1)
    assert shown == [*map(str, slowest), "...", *map(str, fastest)]
    assert lines[44].startswith("... 10 workers between these")


def test_json_has_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = searching_run()
    run.evals = []
    main(["summary", str(run.write(tmp_path)), "--json"])
    told = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(word))
    assert told["last_loss"] is None
    assert told["workers"][1]["staleness"] == 2.0
    assert set(told) == set(Report.__dataclass_fields__)


def test_another_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = searching_run().write(tmp_path)
    main(["summary", str(folder), "--target-loss", "0.1"])
    assert "not reached for loss 0.1" in capsys.readouterr().out
    assert run_metrics(folder, target_loss=0.0).time_to_target_s is None


def test_a_killed_run_tells_what_it_knows(tmp_path: Path) -> None:
    run = searching_run()
    run.facts = {}
    run.workers[1].commits = []
    report = run_metrics(run.write(tmp_path))
    assert report.seconds == pytest.approx(10.1)
    [note] = report.notes
    assert "did not end in order; it is known until 10.1 s" in note
    assert report.workers[1].staleness is None
    assert note in summary(report)


def test_a_worker_whose_part_breaks_off_is_noted(tmp_path: Path) -> None:
    cut = MadeWorker(steps=[(0.1 * k, 0.1, 0.0, 1.0, 32) for k in range(30)])
    run = replace(searching_run(), workers=[cut])
    assert run_metrics(run.write(tmp_path / "a")).notes == (
        "nothing is recorded of worker 0 after 3.0 s",
    )
    run.settings = {"stop": {"max_steps": 30}}
    assert run_metrics(run.write(tmp_path / "b")).notes == ()


def test_a_run_without_steps_is_an_honest_table(tmp_path: Path) -> None:
    run = replace(searching_run(), workers=[MadeWorker(), MadeWorker()], targets=[], evals=[])
    report = run_metrics(run.write(tmp_path))
    assert (report.steps, report.speed, report.measured_h) == (0, 0.0, None)
    assert report.last_loss is None
    assert "none recorded" in summary(report)


def test_a_lost_part_is_noted(tmp_path: Path) -> None:
    searching_run().write(tmp_path, merge=False)
    (tmp_path / "parts" / "rank-00002.part").write_bytes(b"damaged")
    (tmp_path / "parts" / "rank-00000.part").unlink()
    main(["merge", str(tmp_path), "--force"])
    report = run_metrics(tmp_path)
    assert len(report.workers) == 1
    notes = "\n".join(report.notes)
    assert "rank-00002.part is damaged" in notes
    assert "rank 0 recorded no settings" in notes
    assert "unknown model on unknown task, 1 worker" in summary(report)


def test_a_failure_is_noted_by_its_last_line(tmp_path: Path) -> None:
    run = searching_run()
    run.events = [(3.0, "failure", "Traceback\nOSError: no disk\n")]
    [note] = run_metrics(run.write(tmp_path)).notes
    assert note == "failure on rank 0 at 3.0 s: OSError: no disk"


def test_what_is_no_run_is_refused_in_one_line(tmp_path: Path) -> None:
    searching_run().write(tmp_path / "parts_only", merge=False)
    (tmp_path / "text.h5").write_text("no HDF5")
    h5py.File(tmp_path / "foreign.h5", "w").close()
    newer = searching_run().write(tmp_path / "newer") / schema.TRACE_NAME
    with h5py.File(newer, "r+") as file:
        file.attrs["version"] = schema.VERSION + 1
    for name, words in (
        ("parts_only", "merge"),
        ("parts_only/parts/rank-00001.part", "part of one rank"),
        ("text.h5", "not a readable HDF5 file"),
        ("foreign.h5", "not a trace of adsp_mpi"),
        ("newer", f"trace version {schema.VERSION + 1}"),
        ("absent", "no such file"),
    ):
        with pytest.raises(AdspError, match=words):
            run_metrics(tmp_path / name)


def test_exit_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as failed:
        main(["summary", str(tmp_path)])
    assert failed.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("adsp_mpi: error: ")
    for wrong in ([], ["sumary"], ["summary"], ["summary", "a", "b"]):
        with pytest.raises(SystemExit) as failed:
            main(wrong)
        assert failed.value.code == 2


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_verb(name).HELP
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert "usage: " in capsys.readouterr().out


def test_a_made_run_needs_no_settings(tmp_path: Path) -> None:
    assert run_metrics(MadeRun([MadeWorker()]).write(tmp_path)).model == "adsp"
