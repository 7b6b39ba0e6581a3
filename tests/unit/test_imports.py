"""Imports point downward only, and no files import each other in a circle."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.unit.import_rules import (
    MAY_IMPORT,
    ROOT,
    broken_rules,
    circles,
    imports_of,
    part_of,
    short_name,
    source_files,
)

FILES = source_files()

BROKEN = [
    ("errors", "from adsp_mpi.core.board import Board"),
    ("tables", "from adsp_mpi.errors import AdspError"),
    ("options", "from adsp_mpi.config import Config"),
    ("core", "from adsp_mpi.config import Config"),
    ("core", "import torch"),
    ("core", "from time import monotonic"),
    ("core", "import h5py"),
    ("learn", "from adsp_mpi.config import Config"),
    ("learn", "import time"),
    ("trace", "from adsp_mpi.core.board import Board"),
    ("layers", "from adsp_mpi.config import Config"),
    ("train_section", "from adsp_mpi.config import Config"),
    ("stop_section", "import adsp_mpi.layers"),
    ("config", "from adsp_mpi.runtime.resume import Checkpoint"),
    ("refusals", "from adsp_mpi.cli import Parser"),
    ("runtime", "from adsp_mpi.mpi.setup import Prepared"),
    ("runtime", "from mpi4py import MPI"),
    ("screen", "from adsp_mpi.mpi import setup"),
    ("events", "from adsp_mpi.mpi.server.loop import Server"),
    ("guide", "from adsp_mpi.cli import Parser"),
    ("mpi.ranks", "from adsp_mpi.mpi.transport.one_sided import OneSided"),
    ("mpi.transport", "from adsp_mpi.mpi.faults.server_watch import ServerWatch"),
    ("mpi.transport", "from adsp_mpi.mpi.worker.commit import Commits"),
    ("mpi.transport", "from adsp_mpi.mpi.setup import Prepared"),
    ("mpi.setup", "from adsp_mpi.mpi.server.run import serve"),
    ("mpi.setup", "from adsp_mpi.mpi.faults import server_watch"),
    ("mpi.faults", "from adsp_mpi.mpi.worker import loop"),
    ("mpi.faults", "from adsp_mpi.mpi.server import loop"),
    ("mpi.worker", "from adsp_mpi.mpi.server.loop import Server"),
    ("mpi.worker", "from adsp_mpi.mpi import server"),
    ("mpi.worker", "from adsp_mpi.mpi.run import run"),
    ("mpi.server", "from adsp_mpi.mpi.worker.loop import Worker"),
    ("mpi.server", "import adsp_mpi.mpi.worker.commit"),
    ("mpi.own_loop", "from adsp_mpi.sim.own_loop import Rank"),
    ("own_loop", "from adsp_mpi.mpi.own_loop import RankHost"),
    ("own_loop", "from mpi4py import MPI"),
    ("mpi", "from adsp_mpi.sim.engine import Engine"),
    ("sim", "from adsp_mpi.mpi.setup import Prepared"),
    ("sim", "from mpi4py import MPI"),
    ("tools", "from adsp_mpi.bench.part import Bench"),
    ("cli", "from adsp_mpi.mpi.run import run"),
    ("bench", "from adsp_mpi.sim.run import simulate"),
    ("api", "from adsp_mpi.sim.run import simulate"),
    ("__main__", "from adsp_mpi.analysis.summary import summary"),
    ("__init__", "from adsp_mpi.config import Config"),
    ("callbacks", "from adsp_mpi.config import Config"),
    ("examples", "from adsp_mpi.config import Config"),
    ("analysis.speed", "from adsp_mpi.analysis.run_trace import RunTrace"),
    ("analysis.run_trace", "from adsp_mpi.analysis.metrics import run_metrics"),
    ("analysis.worker_metrics", "from adsp_mpi.analysis.metrics import run_metrics"),
    ("analysis.metrics", "from adsp_mpi.analysis.summary import summary"),
    ("analysis.series", "from adsp_mpi.analysis.draw.style import STYLE"),
    ("analysis.figures", "from adsp_mpi.analysis.draw import style"),
    ("analysis.figures", "from matplotlib.figure import Figure"),
    ("analysis.draw", "from adsp_mpi.analysis.page.data import Data"),
    ("analysis.page", "from adsp_mpi.analysis.draw.style import STYLE"),
    ("analysis.experiments", "from adsp_mpi.mpi.run import run"),
    ("analysis", "from adsp_mpi.runtime.run_info import headline"),
]
"""Made up: a file of a part, and what it must not import."""


def test_every_file_imports_only_what_its_part_may() -> None:
    lines = [line for m, path in FILES.items() for line in broken_rules(m, path.read_text(), FILES)]
    assert not lines


def test_every_rule_is_of_a_part_that_exists() -> None:
    assert {part_of(module) for module in FILES} == set(MAY_IMPORT)
    named = {name for rule in MAY_IMPORT.values() for name in rule.split()}
    assert named <= set(map(short_name, FILES))


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {
        module: {name for name in imports_of(path.read_text(), FILES) if name in FILES} - {module}
        for module, path in FILES.items()
    }
    assert circles(graph) == []


@pytest.mark.parametrize(("part", "wrong"), BROKEN)
def test_a_broken_rule_is_noticed(part: str, wrong: str) -> None:
    module = "adsp_mpi" if part == "__init__" else f"adsp_mpi.{part}.made_up"
    assert len(broken_rules(module, wrong, FILES)) == 1
    inside = f"def f():\n    {wrong}"
    for_types = f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {wrong}"
    assert broken_rules(module, inside, FILES) and broken_rules(module, for_types, FILES)


def test_every_rule_is_broken_once() -> None:
    assert {part for part, _ in BROKEN} == set(MAY_IMPORT)


def test_relative_imports_and_files_of_no_part_are_noticed() -> None:
    assert broken_rules("adsp_mpi.core.made_up", "from . import board")
    assert broken_rules("adsp_mpi.made_up", "import os")
    assert not broken_rules("adsp_mpi.core.made_up", "from adsp_mpi.core.board import Board")


def test_circles_are_found() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": [], "e": ["a"]}) == [{"b", "c"}]
    assert not circles({"a": ["b", "c"], "b": ["c"], "c": ["elsewhere"]})
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from adsp_mpi.sim import run"
    assert "adsp_mpi.sim.run" in imports_of(source, FILES)


def modules(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def test_the_type_checker_sees_all_of_analysis_under_the_name_that_imports_it() -> None:
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    shown = Path(mypy["mypy_path"].replace("$MYPY_CONFIG_FILE_DIR", str(ROOT)))
    assert (shown / "adsp_mpi" / "analysis").resolve() == ROOT / "analysis"
    assert mypy["packages"] == ["adsp_mpi", "adsp_mpi.analysis"]
    for folder in {path.parent for path in modules("analysis")}:
        assert (folder / "__init__.py").exists(), f"{folder} is no package: mypy leaves it out"


def test_no_random_number_comes_from_the_global_generator() -> None:
    for path in modules("adsp_mpi/core") + modules("adsp_mpi/learn"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if name.startswith("np.random."):
                used = name.split(".")[2].split("(")[0]
                known = ("default_rng", "Generator", "get_state", "set_state", "seed")
                assert used in known, path


@pytest.mark.parametrize("module", ["adsp_mpi", "adsp_mpi.config", "adsp_mpi.trace"])
def test_importing_does_not_start_mpi_or_load_torch(module: str) -> None:
    code = f"import sys, {module}; print('mpi4py.MPI' in sys.modules, 'torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("--bogus", 2),
        ("--sync nope", 2),
        ("bench fly", 2),
        ("simulate --bogus", 2),
        ("config --preset paper", 0),
        ("--help", 0),
        ("guide", 0),
    ],
)
def test_who_does_not_train_does_not_pay_for_torch_and_scipy(arguments: str, code: int) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "adsp_mpi", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "adsp_mpi.cli" in imported and not imported & {"torch", "scipy"}
