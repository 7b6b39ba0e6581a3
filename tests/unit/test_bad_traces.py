"""Every verb that reads runs, given what is none: one line that says why, and exit code 1."""

from pathlib import Path

import h5py
import pytest

from adsp_mpi.analysis.__main__ import main
from adsp_mpi.trace import schema
from tests.unit.made_run import searching_run

VERBS = {
    "summary": ["summary", "RUN"],
    "compare": ["compare", "RUN"],
    "plot": ["plot", "RUN", "--figure", "loss", "-o", "OUT/a.png"],
    "timeline": ["timeline", "RUN", "-o", "OUT/a.json"],
    "report": ["report", "RUN", "-o", "OUT/a.html"],
    "export": ["export", "RUN", "--to", "csv", "-o", "OUT/a"],
    "fidelity": ["fidelity", "RUN"],
}


def text_file(folder: Path) -> Path:
    (folder / "text.h5").write_text("no HDF5")
    return folder / "text.h5"


def foreign_file(folder: Path) -> Path:
    with h5py.File(folder / "foreign.h5", "w") as file:
        file["x"] = [1, 2, 3]
    return folder / "foreign.h5"


def newer_file(folder: Path) -> Path:
    trace = searching_run().write(folder / "newer") / schema.TRACE_NAME
    with h5py.File(trace, "r+") as file:
        file.attrs["version"] = schema.VERSION + 1
    return trace


def cut_file(folder: Path) -> Path:
    trace = searching_run().write(folder / "cut") / schema.TRACE_NAME
    trace.write_bytes(trace.read_bytes()[:3000])
    return trace


def one_part(folder: Path) -> Path:
    return searching_run().write(folder / "run", merge=False) / "parts" / "rank-00001.part"


BAD = {
    "not a readable HDF5 file": text_file,
    "not a trace of adsp_mpi": foreign_file,
    f"trace version {schema.VERSION + 1}": newer_file,
    "truncated": cut_file,
    "the part of one rank": one_part,
    "no such file": lambda folder: folder / "absent",
    "not merged": lambda folder: one_part(folder).parent.parent,
}


@pytest.mark.parametrize("words", BAD)
@pytest.mark.parametrize("verb", VERBS)
def test_one_line_and_exit_code_1(
    verb: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if verb == "plot":
        pytest.importorskip("matplotlib")
    (tmp_path / "out").mkdir()
    run = str(BAD[words](tmp_path))
    arguments = [a.replace("RUN", run).replace("OUT", str(tmp_path / "out")) for a in VERBS[verb]]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("adsp_mpi: error: ") and words in line and run in line
    assert not list((tmp_path / "out").iterdir())
