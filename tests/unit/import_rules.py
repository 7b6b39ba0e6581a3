"""Which part of the program may import which, and a checker of one file's source."""

import ast
from pathlib import Path
from typing import Collection, Iterable, Mapping

ROOT = Path(__file__).parents[2]
PACKAGES = {"adsp_mpi": "adsp_mpi", "analysis": "adsp_mpi.analysis"}
"""Folders of the repository, and the name that each is imported by."""

TRACE = "trace core errors"
ALL_RANKS = "mpi.faults mpi.setup mpi.transport mpi.ranks runtime trace learn core errors"
READ = "analysis.speed analysis.run_trace analysis.worker_metrics analysis.metrics"

MAY_IMPORT = {
    "errors": "",
    "tables": "",
    "options": "errors",
    "core": "options errors",
    "learn": "core errors",
    "trace": "errors",
    "layers": "options errors",
    "train_section": "layers learn core options errors",
    "stop_section": "core options",
    "config": "train_section stop_section layers learn core options errors",
    "refusals": "config layers options errors",
    "runtime": "refusals config stop_section trace learn core options errors",
    "screen": "runtime core tables errors",
    "events": "screen runtime learn core errors",
    "guide": "errors",
    "mpi.ranks": "core errors",
    "mpi.transport": "mpi.ranks core errors",
    "mpi.setup": "mpi.transport mpi.ranks screen runtime config learn core errors",
    "mpi.faults": "mpi.setup mpi.transport mpi.ranks runtime trace core errors",
    "mpi.worker": ALL_RANKS,
    "mpi.server": f"events screen {ALL_RANKS}",
    "mpi.own_loop": "mpi own_loop screen runtime config layers learn core errors",
    "mpi": "screen runtime config trace learn core errors",
    "own_loop": "refusals runtime config layers learn core errors",
    "sim": "own_loop layers events screen runtime config trace learn core options tables errors",
    "tools": "cli sim mpi runtime config layers learn core tables errors",
    "cli": "sim refusals runtime config layers options errors",
    "bench": "tools mpi cli config layers trace learn core tables errors",
    "api": "mpi own_loop runtime refusals config layers learn core errors",
    "__main__": "bench tools sim mpi own_loop cli runtime guide errors",
    "__init__": "api mpi learn",
    "callbacks": "own_loop",
    "examples": "__init__ callbacks core options errors",
    "analysis.speed": "",
    "analysis.run_trace": f"analysis.speed {TRACE}",
    "analysis.worker_metrics": f"analysis.speed analysis.run_trace {TRACE}",
    "analysis.metrics": f"analysis.worker_metrics analysis.run_trace {TRACE}",
    "analysis.series": f"{READ} errors",
    "analysis.figures": f"analysis.series {READ} {TRACE}",
    "analysis.draw": "analysis.series errors",
    "analysis.page": "analysis.series analysis.summary analysis.compare core",
    "analysis.experiments": (
        "analysis.draw analysis.spread analysis.extras sim config core tables errors"
    ),
    "analysis": f"tables {TRACE}",
}
"""Each part, a folder or a file below adsp_mpi, and what it may import beside itself. A subfolder
or file named here is a part of its own, which the folder around it may import."""

ONLY_IN = {
    "mpi4py": ("mpi", "bench", "tools"),
    "torch": ("learn", "own_loop", "api", "mpi", "sim", "bench", "tools", "examples"),
    "h5py": ("trace", "tools"),
    "rich": ("screen", "guide", "analysis"),
    "matplotlib": ("analysis.draw", "analysis.experiments"),
    "pandas": ("trace", "examples"),
    "transformers": ("callbacks", "examples"),
    "lightning": ("callbacks", "examples"),
}
"""Packages that only some parts import."""

NEVER_IN = {
    "core": ("time", "datetime", "random"),
    "learn": ("time",),
}


def source_files() -> dict[str, Path]:
    """Every file of the program, by the name of its module."""
    found = {}
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            inner = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join((package, *inner)).removesuffix(".__init__")] = path
    return found


def part_of(module: str) -> str:
    """The part that `module`, as adsp_mpi.x.y, belongs to; "" for none."""
    parts = [part for part in MAY_IMPORT if within(short_name(module), (part,))]
    return max(parts, key=len, default="")


def short_name(module: str) -> str:
    """The name below adsp_mpi."""
    return "__init__" if module == "adsp_mpi" else module.removeprefix("adsp_mpi.")


def within(name: str, parts: Iterable[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def imports_of(source: str, modules: Collection[str] = ()) -> set[str]:
    """What a file imports, also for its types alone and inside functions.

    `from a import b` is a.b where that is one of the `modules`, else a.
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else base for name in names}
    return found


def broken_rules(module: str, source: str, modules: Collection[str] = ()) -> list[str]:
    """What `module` imports and must not, a line each."""
    part, lines = part_of(module), []
    if not part:
        return [f"{module} belongs to no part: give it a rule"]
    for name in sorted(imports_of(source, modules)):
        package = name.split(".")[0]
        if package == "":
            wrong = True
        elif package == "adsp_mpi":
            wrong = not within(short_name(name), (part, *MAY_IMPORT[part].split()))
        else:
            only_in = ONLY_IN.get(package)
            wrong = only_in is not None and not within(part, only_in)
            wrong = wrong or package in NEVER_IN.get(part, ())
        if wrong:
            lines.append(f"{module} imports {name}")
    return lines


def circles(graph: Mapping[str, Collection[str]]) -> list[set[str]]:
    """Sets of files that all import each other, directly or through others of the set."""
    reached = {start: _reachable(graph, start) for start in graph}
    found: list[set[str]] = []
    for start in graph:
        circle = {other for other in reached[start] if start in reached[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def _reachable(graph: Mapping[str, Collection[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        name = todo.pop()
        if name in graph and name not in seen:
            seen.add(name)
            todo += graph[name]
    return seen
