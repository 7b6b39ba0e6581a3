"""The verb `bench`: parses its options, runs its parts, prints bars and writes the results."""

import json
import os
import platform
import shutil
import tempfile
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Sequence

from adsp_mpi.bench.findings import Findings
from adsp_mpi.bench.part import Bench
from adsp_mpi.bench.systems import OWN, SYSTEMS
from adsp_mpi.cli import Parser
from adsp_mpi.errors import UsageError
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.mpi_library import library_version

PARTS = {
    "step": "adsp_mpi.bench.steps",
    "startup": "adsp_mpi.bench.startup",
    "trace": "adsp_mpi.bench.recording",
    "memory": "adsp_mpi.bench.memory",
    "waiting": "adsp_mpi.bench.waiting",
    "network": "adsp_mpi.bench.network",
    "servers": "adsp_mpi.bench.servers",
    "chunks": "adsp_mpi.bench.chunks",
    "commit": "adsp_mpi.bench.commits",
}
"""The parts in the order in which they run: `commit` is last because some of the systems that it
compares leave spinning threads behind."""

ON_ONE_NODE = tuple(name for name in PARTS if name != "network")
PARAMS = (57_000, 1_760_000, 25_000_000)


def make_parser() -> Parser:
    """The parser of `python -m adsp_mpi bench`."""
    parser = Parser(prog="python -m adsp_mpi bench", allow_abbrev=False)
    parser.add_argument("parts", nargs="*", default=["commit", "chunks"], metavar="PART")
    parser.add_argument("--params", default=",".join(map(str, PARAMS)), help="sizes of models")
    parser.add_argument("--against", default="raw,p2p,rpc", help="what commits are compared with")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each loop of commits")
    parser.add_argument("--repeats", type=int, default=3, help="how often each thing is measured")
    parser.add_argument("--out", metavar="FILE.json", help="results as JSON, with machine facts")
    return parser


def bench(arguments: Sequence[str]) -> None:
    """Collective: measure the requested parts; rank 0 prints the results."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # rpc's agents warn when they end
    options = make_parser().parse_args(arguments)
    parts = chosen_parts(options.parts)
    if options.repeats < 1:
        raise UsageError(f"--repeats {options.repeats}: a number of 1 or more")
    world = World()
    world.agree(lambda: world.require_workers(0))
    made = world.agree(lambda: make_folder() if world.is_server else "")
    folder = Path(world.comm.bcast(made))
    try:
        given = Bench(
            world,
            folder,
            numbers(options.params),
            systems(options.against),
            options.seconds,
            options.repeats,
        )
        found = {}
        for name in parts:
            found[name] = import_module(PARTS[name]).measure(given)
            if world.is_server:
                show(name, found[name])
        world.agree(lambda: finish(world, found, options.out) if world.is_server else None)
    finally:
        if world.is_server:
            shutil.rmtree(folder, ignore_errors=True)


def make_folder() -> str:
    """Make a new folder in the current one, which all hosts see; UsageError if that fails."""
    try:
        return tempfile.mkdtemp(prefix="bench-", dir=".")
    except OSError as error:
        raise UsageError(f"bench: no folder can be made here: {error.strerror}") from error


def chosen_parts(given: Sequence[str]) -> list[str]:
    """The requested parts in the order of `PARTS`; UsageError for an unknown one."""
    unknown = [name for name in given if name not in (*PARTS, "all")]
    if unknown:
        raise UsageError(
            f"unknown part {unknown[0]!r} of bench; there are: all, {', '.join(PARTS)}"
        )
    return [name for name in PARTS if name in given or ("all" in given and name in ON_ONE_NODE)]


def numbers(text: str) -> tuple[int, ...]:
    """Parse model sizes, such as `57000,1.76e6`."""
    try:
        found = tuple(int(float(word)) for word in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 4096:
        raise UsageError(f"--params {text}: numbers of 4096 or more, with commas between them")
    return found


def systems(text: str) -> tuple[str, ...]:
    """Parse the names of systems to compare with, such as `raw,rpc`."""
    rivals = tuple(name for name in SYSTEMS if name != OWN)
    found = tuple(word for word in text.split(",") if word)
    for name in found:
        if name not in rivals:
            raise UsageError(f"--against {name}: there are {', '.join(rivals)}")
    return found


def show(name: str, findings: Findings) -> None:
    """Print the results of one part."""
    print(f"\n== {name}\n")
    for line in findings.lines:
        print(line)
    if findings.bars:
        print()
    for bar in findings.bars:
        print(bar.line(), flush=True)


def finish(world: World, found: dict[str, Findings], out: str | None) -> None:
    """Print how many bars hold, and write the results to `out`."""
    bars = [bar for findings in found.values() for bar in findings.bars]
    print(f"\n{sum(bar.holds for bar in bars)} of {len(bars)} bars hold")
    if out:
        parts = {name: findings.as_json() for name, findings in found.items()}
        text = json.dumps({"machine": machine(world), "parts": parts}, indent=1)
        try:
            Path(out).write_text(text + "\n")
        except OSError as error:
            raise UsageError(f"--out {out}: {error.strerror}") from error
        print(f"written to {out}")


def machine(world: World) -> dict[str, Any]:
    """The machine, MPI and versions that were measured."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "ranks": world.comm.size,
        "hosts": len(set(world.hosts)),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "mpi": library_version(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("mpi4py", "torch", "numpy")},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()
