"""`watch`: parts that grow, come late, tear or go silent."""

import os
import time
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console

from adsp_mpi.analysis import watch as module
from adsp_mpi.analysis.__main__ import main
from adsp_mpi.analysis.parts import Follower, WorkerPart
from adsp_mpi.analysis.watch import Log, headline, live, watch
from adsp_mpi.trace import schema
from adsp_mpi.trace.merge import merge_parts
from adsp_mpi.trace.part_writer import PartWriter


def server_part(folder: Path) -> PartWriter:
    part = PartWriter(folder / "parts" / "rank-00000.part", 0, 1e9)
    part.attributes("/", {"model": "adsp", "task": "digits-cnn", "num_workers": 2})
    part.add_table("ps/targets", schema.TARGETS)
    part.add_table("ps/evals", (*schema.EVALS, ("loss", "f8", "")))
    part.append("ps/targets", 0.5, 1, 1, 1, 10, 1, 0, 0.5, 0.1, "search")
    part.append("ps/evals", 4.0, 0.1, 40, 4, 0, 0.25)
    part.flush()
    return part


def worker_part(folder: Path, worker: int, steps: int) -> PartWriter:
    """Two steps a second, a commit every ten steps."""
    part = PartWriter(folder / "parts" / f"rank-{worker + 1:05d}.part", worker + 1, 1e9)
    group = f"workers/{worker}"
    part.attributes(group, {"host": "here"})
    for name, columns in schema.WORKER_TABLES.items():
        part.add_table(f"{group}/{name}", columns)
    add_steps(part, worker, 1, steps)
    return part


def add_steps(part: PartWriter, worker: int, first: int, last: int) -> None:
    group = f"workers/{worker}"
    for k in range(first, last + 1):
        part.append(f"{group}/steps", 0.5 * k, 0.5, 0, 1.0, 32, 1, 0)
        if k % 10 == 0:
            part.append(f"{group}/commits", 0.5 * k, 0.5 * k, k // 10, 10, 3, 0, 8, 1, 0)
    part.flush()


def silence(folder: Path, seconds: float) -> None:
    for path in (folder / "parts").iterdir():
        os.utime(path, (time.time() - seconds,) * 2)


def test_a_look_by_hand(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    assert follower.look().workers == () and follower.look().quiet_s == 0.0
    parts = [server_part(tmp_path), *(worker_part(tmp_path, w, 100 * (w + 1)) for w in (0, 1))]
    look = follower.look()
    assert look.workers[1] == WorkerPart(1, 200, 20, 3, pytest.approx(2.0), 100.0)
    assert look.server and look.server.metrics == {"loss": 0.25}
    assert headline(look) == "   100.0 s  loss 0.2500  search  steps 300  commits 10 20"
    add_steps(parts[1], 0, 101, 120)
    assert follower.look().workers[0].steps == 120
    for part in parts:
        part.close()


def test_a_part_in_the_middle_of_a_write_is_shown_as_it_was_before(tmp_path: Path) -> None:
    part = worker_part(tmp_path, 0, 50)
    path = tmp_path / "parts" / "rank-00001.part"
    before = len(path.read_bytes())
    add_steps(part, 0, 51, 60)
    part.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:before])
    follower = Follower(tmp_path)
    for length in range(before, len(whole)):
        path.write_bytes(whole[:length])
        [worker] = follower.look().workers
        assert worker.steps == 50 or length > before + 100
    path.write_bytes(whole)
    assert follower.look().workers[0].steps == 60
    path.write_bytes(whole[:before])
    assert follower.look().workers[0].steps == 50


def test_what_is_no_part_is_told(tmp_path: Path) -> None:
    path = tmp_path / "parts" / "rank-00001.part"
    path.parent.mkdir()
    path.write_text("something else")
    look = Follower(tmp_path).look()
    assert "not a part of a trace" in look.trouble[1]


def test_a_part_without_anything_in_it_yet_is_no_trouble(tmp_path: Path) -> None:
    parts = [PartWriter(tmp_path / "parts" / f"rank-0000{k}.part", k, 1e9) for k in (0, 1)]
    look = Follower(tmp_path).look()
    assert (look.server, look.workers, look.trouble) == (None, (), {})
    for part in parts:
        part.close()


def write_for_a_while(folder: Path) -> None:
    part = worker_part(folder, 0, 10)
    for k in range(11, 2011, 10):
        add_steps(part, 0, k, k + 9)
        time.sleep(0.003)
    part.close()


def test_it_reads_while_another_process_writes(tmp_path: Path) -> None:
    """Flushed every few milliseconds, a thousand times as often as in a run."""
    writing = get_context("spawn").Process(target=write_for_a_while, args=(tmp_path,))
    writing.start()
    follower, seen = Follower(tmp_path), [0]
    while writing.is_alive():
        seen += [worker.steps for worker in follower.look().workers]
    writing.join()
    assert writing.exitcode == 0 and len(set(seen)) > 1 and seen == sorted(seen)
    assert follower.look().workers[0].steps == 2010


def test_the_log_says_what_is_new_and_silence_ever_more_rarely(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, follower = Log(tmp_path), Follower(tmp_path)
    log.show(follower.look())
    log.show(follower.look())
    server_part(tmp_path).close()
    worker_part(tmp_path, 0, 20).close()
    for seconds in (0, 1, 11, 12, 13, 21, 23, 30):
        silence(tmp_path, seconds)
        log.show(follower.look())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{tmp_path / 'parts'}: nothing there yet"
    assert "steps 20  commits 2" in lines[1]
    assert [line.partition(":")[0] for line in lines[2:]] == [
        "nothing written for 11 s",
        "nothing written for 23 s",
    ]


def test_it_waits_follows_and_ends_with_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "later"

    def live() -> None:
        time.sleep(0.1)
        parts = [server_part(folder), worker_part(folder, 0, 20)]
        time.sleep(0.3)
        parts[0].attributes("/", {"end_s": 12.5, "reason": "target loss held"})
        for part in parts:
            part.close()
        merge_parts(folder)

    running = Thread(target=live)
    running.start()
    watch(folder, every_s=0.02)
    running.join()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{folder}: nothing there yet"
    assert any("steps 20" in line for line in lines)
    assert lines[-1] == f"ended after 12.5 s: target loss held; {folder / 'trace.h5'}"


def test_once_is_one_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["watch", str(tmp_path / "none"), "--once"])
    assert end.value.code == 1 and "nothing there yet" in capsys.readouterr().err
    server_part(tmp_path).close()
    worker_part(tmp_path, 1, 20).close()
    silence(tmp_path, 40)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.part")}
    main(["watch", str(tmp_path), "--once"])
    shown = capsys.readouterr().out
    assert "1 of 2 workers have begun" in shown and "40 s ago" in shown
    assert "nothing written for 40 s" in shown
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    merge_parts(tmp_path)
    main(["watch", str(tmp_path), "--once"])
    assert capsys.readouterr().out.startswith("ended: ")


def test_a_terminal_gets_a_table(tmp_path: Path) -> None:
    terminal = Console(force_terminal=True, width=100, file=StringIO())
    with live(tmp_path, terminal) as show:
        show(Follower(tmp_path).look())
        server_part(tmp_path).close()
        worker_part(tmp_path, 0, 20).close()
        show(Follower(tmp_path).look())
    shown = terminal.file.getvalue()
    assert "nothing there yet" in shown and "adsp on digits-cnn" in shown and "0 s ago" in shown


@pytest.mark.parametrize("every", ["0", "-1", "nan", "inf"])
def test_pauses_must_make_sense(every: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["watch", str(tmp_path), f"--every={every}"])
    assert end.value.code == 2


def test_ctrl_c_ends_it_with_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", interrupt)
    with pytest.raises(SystemExit) as end:
        main(["watch", str(tmp_path)])
    assert end.value.code == 3
