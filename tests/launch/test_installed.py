"""The program as it is installed: from an sdist and its wheel, run in another folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.launch.launcher import find_mpirun, start_command

pytestmark = pytest.mark.one_mpi_is_enough

ROOT = Path(__file__).parents[2]
TREE = ("adsp_mpi", "analysis", "jobs")
BUILT_FROM = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
OTHERS = ("CHANGELOG.md", "constraints.txt")
LIMIT_S = 120

VERBS = [
    ["adsp_mpi", "simulate", "--workers", "3", "--task", "quadratic", "--max-seconds", "100"],
    ["adsp_mpi", "guide", "schemes"],
    ["adsp_mpi", "config", "--preset", "paper"],
    ["adsp_mpi.analysis", "summary", "run"],
    ["adsp_mpi.analysis", "report", "run", "-o", "page.html"],
]
"""What runs from the wheel; `run` is the folder of a quickstart that was run before."""


@dataclass(frozen=True)
class Installed:
    """The two archives, and the Python of an environment that has the wheel."""

    sdist: Path
    wheel: Path
    python: Path

    def names(self) -> tuple[set[str], set[str]]:
        """The files of the sdist, below its own folder, and those of the wheel."""
        with tarfile.open(self.sdist) as archive:
            packed = {name.partition("/")[2] for name in archive.getnames()}
        with zipfile.ZipFile(self.wheel) as archive:
            return packed, set(archive.namelist())


def done(command: list[str | Path], cwd: Path) -> str:
    run = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=LIMIT_S)
    assert run.returncode == 0, f"{command}\n{run.stdout[-3000:]}\n{run.stderr[-3000:]}"
    return run.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A fresh environment, which takes all but this package from the tests' own."""
    folder = tmp_path_factory.mktemp("installed")
    tree = folder / "tree"
    for name in TREE:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (*BUILT_FROM, *OTHERS):
        shutil.copy(ROOT / name, tree)
    build = "from setuptools import build_meta; build_meta.build_sdist('..')"
    done([sys.executable, "-c", build], tree)
    [sdist] = folder.glob("*.tar.gz")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    done([*pip, "wheel", *offline, "--no-build-isolation", "-w", str(folder), str(sdist)], folder)
    [wheel] = folder.glob("*.whl")
    done([sys.executable, "-m", "venv", "--without-pip", "env"], folder)
    python = folder / "env" / "bin" / "python"
    done([*pip, "--python", str(python), "install", *offline, str(wheel)], folder)
    site = done([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder)
    (Path(site.strip()) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(sdist, wheel, python)


def test_the_archives_hold_all_that_the_program_reads(installed: Installed) -> None:
    sdist, wheel = installed.names()
    for folder, inside in (
        ("adsp_mpi", "adsp_mpi"),
        ("analysis", "adsp_mpi/analysis"),
        ("jobs", "adsp_mpi/jobs"),
    ):
        for path in (ROOT / folder).rglob("*"):
            name = path.relative_to(ROOT / folder)
            left_out = "__pycache__" in name.parts or name.parts[0] == "results"
            if path.is_file() and not left_out:
                assert f"{folder}/{name}" in sdist
                assert f"{inside}/{name}" in wheel
    assert set(OTHERS) <= sdist
    assert not [name for name in wheel if "tests" in name.split("/")]


def test_quickstart_and_verbs_run_from_the_wheel(installed: Installed, tmp_path: Path) -> None:
    code = (
        "import adsp_mpi, adsp_mpi.analysis; print(adsp_mpi.__file__, adsp_mpi.analysis.__file__)"
    )
    for file in done([installed.python, "-c", code], tmp_path).split():
        assert Path(file).is_relative_to(installed.python.parents[1])
    mpirun = find_mpirun()
    assert mpirun
    quickstart = ["-m", "adsp_mpi", "--max-seconds", "3", "--out", "run"]
    libraries = [str(Path(sys.prefix) / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    settings = {"LD_LIBRARY_PATH": ":".join(filter(None, libraries))}  # of an MPI from a wheel
    run = start_command([mpirun, "-n", "3", str(installed.python), *quickstart], settings, tmp_path)
    out, err = run.communicate(timeout=LIMIT_S)
    assert run.returncode == 0 and "ended" in out, out + err
    for module, *arguments in VERBS:
        assert done([installed.python, "-m", module, *arguments], tmp_path) or arguments[-2] == "-o"
    assert (tmp_path / "page.html").stat().st_size > 10_000
    scripts = installed.python.parent
    assert "summary" in done([scripts / "adsp-mpi-analysis", "--help"], tmp_path)
    assert "simulate" in done([scripts / "adsp-mpi", "--help"], tmp_path)
