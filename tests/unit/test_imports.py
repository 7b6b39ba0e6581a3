"""Imports point downward only."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PURE = ("numpy", "scipy")
ALLOWED = {
    "core": ("adsp_mpi.core", "adsp_mpi.options", "adsp_mpi.errors"),
    "learn": ("adsp_mpi.core", "adsp_mpi.learn", "adsp_mpi.errors"),
    "trace": ("adsp_mpi.trace", "adsp_mpi.errors"),
    "runtime": (
        "adsp_mpi.core",
        "adsp_mpi.learn",
        "adsp_mpi.trace",
        "adsp_mpi.runtime",
        "adsp_mpi.config",
        "adsp_mpi.options",
        "adsp_mpi.errors",
    ),
}
FORBIDDEN = {
    "core": ("mpi4py", "torch", "h5py", "time", "datetime", "random", "rich"),
    "learn": ("mpi4py", "h5py", "time", "rich"),
    "trace": ("mpi4py", "torch", "rich"),
    "runtime": ("mpi4py", "rich"),
}


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module)
    return found


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == p or module.startswith(p + ".") for p in packages)


def modules(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("layer", ALLOWED)
def test_layer_imports_only_what_lies_below(layer: str) -> None:
    for path in modules(f"adsp_mpi/{layer}"):
        for module in imports_of(path):
            if module.startswith("adsp_mpi"):
                assert within(module, ALLOWED[layer]), f"{path} imports {module}"
            assert not within(module, FORBIDDEN[layer]), f"{path} imports {module}"


def test_only_the_mpi_engine_its_benchmark_and_tools_import_mpi4py() -> None:
    for path in modules("adsp_mpi"):
        if "mpi4py" in {m.split(".")[0] for m in imports_of(path)}:
            above = [ROOT / "adsp_mpi" / name for name in ("mpi", "bench", "tools")]
            assert any(path.is_relative_to(folder) for folder in above), path


def test_analysis_reads_only_traces_but_for_the_experiments() -> None:
    below = tuple(f"adsp_mpi.{name}" for name in ("trace", "core", "tables", "errors", "analysis"))
    for path in modules("analysis"):
        experiment = path.parent.name == "experiments"
        allowed = (*below, "adsp_mpi.config", "adsp_mpi.sim") if experiment else below
        for module in imports_of(path):
            assert not module.startswith("adsp_mpi") or within(module, allowed), path


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
                assert used in ("default_rng", "Generator", "get_state", "set_state"), path


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
