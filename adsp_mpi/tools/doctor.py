"""`mpirun -n N python -m adsp_mpi doctor`: checks this MPI, these hosts and the folder."""

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from mpi4py import MPI

from adsp_mpi.config import Config
from adsp_mpi.errors import AdspError
from adsp_mpi.mpi.ranks.backoff import wait_for
from adsp_mpi.mpi.ranks.world import SERVER, World
from adsp_mpi.mpi.transport.choose import make_array, self_test
from adsp_mpi.mpi.transport.mpi_library import library_version
from adsp_mpi.mpi.transport.shared_memory import SharedArray
from adsp_mpi.tables import labelled

AWAY_S = 0.5
COMMIT_ELEMENTS = 1_000_000
OK, WARNING, ERROR = "ok", "warning", "error"


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis."""

    level: str
    text: str


def examine(config: Config) -> None:
    """Collective: run all checks; rank 0 prints the findings. AdspError if one is an error."""
    world = World()
    world.agree(lambda: world.require_workers(0))
    findings = [
        *check_threads(),
        *check_hosts(world),
        *check_sums(world),
        *check_progress(world),
        *world.agree(lambda: check_folder(Path(config.run.out or "."))),
        *check_shared(world, Path(config.run.out or ".")),
    ]
    errors = [f for f in findings if f.level == ERROR]
    if world.is_server:
        print(f"{library_version()}, {world.comm.size} ranks", flush=True)
        lines = labelled([(finding.level, finding.text) for finding in findings])
        print("\n".join(lines), flush=True)

    def fail() -> None:
        if errors:
            raise AdspError(f"{len(errors)} of {len(findings)} checks failed, see above")

    world.agree(fail)


def check_threads() -> list[Finding]:
    if MPI.Query_thread() == MPI.THREAD_MULTIPLE:
        return [Finding(OK, "MPI_THREAD_MULTIPLE: rank 0 can serve while it evaluates")]
    return [
        Finding(
            WARNING,
            "no MPI_THREAD_MULTIPLE: over a network commits stall while rank 0 evaluates; "
            "use an MPI built with thread support",
        )
    ]


def check_hosts(world: World) -> list[Finding]:
    """Compare the number of ranks with the usable cores, host by host."""
    cores = len(os.sched_getaffinity(0))
    facts = world.allgather((world.host, cores))
    ranks = Counter(host for host, _ in facts)
    findings = []
    for host, available in dict(facts).items():
        text = f"host {host}: {ranks[host]} ranks on {available} cores"
        if ranks[host] > available:
            text += "; fine for injected step times, but measured speeds are those of shared cores"
            findings.append(Finding(WARNING, text))
        else:
            findings.append(Finding(OK, text))
    return findings


def check_sums(world: World) -> list[Finding]:
    """Whether commits of all ranks add up, and by which way they travel."""
    array = make_array(world, 200_000, "f4")
    findings = []
    if world.one_node and not isinstance(array, SharedArray):
        text = (
            "the ranks of this host cannot map the same memory: a worker that is killed in a "
            "commit may hold up the others for good; start all ranks in one container"
        )
        findings.append(Finding(WARNING, text))
    try:
        self_test(world, array)
    except AdspError as error:
        return [Finding(ERROR, str(error))]
    finally:
        array.free()
    return [*findings, Finding(OK, f"sums of all ranks are exact, by {array.way}")]


def check_progress(world: World) -> list[Finding]:
    """Time a 4 MB commit of the last rank while rank 0 polls MPI and while it does not."""
    array = make_array(world, COMMIT_ELEMENTS, "f4")
    values, before = (np.zeros(COMMIT_ELEMENTS, np.float32) for _ in range(2))
    served_s = away_s = 0.0
    last = world.comm.size - 1
    for away in (False, True):
        world.wait_for_all()
        if world.rank == SERVER and away:
            time.sleep(AWAY_S)
        if world.rank == last:
            start = time.perf_counter()
            wait_for(array.add(values, before))
            array.flush()
            elapsed = time.perf_counter() - start
            served_s, away_s = (served_s, elapsed) if away else (elapsed, away_s)
    world.wait_for_all()
    served_s, away_s = world.comm.bcast((served_s, away_s), root=last)
    array.free()
    findings = [Finding(OK, f"a commit of 4 MB takes {served_s * 1e3:.1f} ms")]
    if away_s < AWAY_S / 2:
        findings.append(Finding(OK, "commits land while rank 0 is outside MPI"))
    elif world.one_node:
        findings.append(
            Finding(
                ERROR,
                "on one node, commits do not land while rank 0 is outside MPI: no passive target; "
                "with Open MPI try OMPI_MCA_osc=sm,rdma or OMPI_MCA_osc=^ucx",
            )
        )
    else:
        text = "over this network commits need rank 0 inside MPI: its progress thread sees to it"
        findings.append(Finding(OK, text))
    return findings


def check_shared(world: World, folder: Path) -> list[Finding]:
    """Whether every host sees what rank 0 writes into the run's folder."""
    probe = folder / f".adsp-mpi-doctor-{world.comm.bcast(os.getpid())}.seen"
    if world.is_server:
        probe.touch()
    world.wait_for_all()
    seen = world.allgather((world.host, probe.exists()))
    if world.is_server:
        probe.unlink()
    blind = sorted({host for host, sees in seen if not sees})
    if blind:
        return [Finding(ERROR, f"{folder.resolve()}: not the same folder on {', '.join(blind)}")]
    return [Finding(OK, f"{folder.resolve()}: every host sees it")]


def check_folder(folder: Path) -> list[Finding]:
    """Whether HDF5 can write and lock files in the folder for traces."""
    probe = folder / f".adsp-mpi-doctor-{os.getpid()}.h5"
    try:
        with h5py.File(probe, "w", locking=True) as file:
            file["x"] = np.arange(10)
    except BlockingIOError:
        return [Finding(WARNING, f"{folder}: no file locks here; set HDF5_USE_FILE_LOCKING=FALSE")]
    except OSError as error:
        return [Finding(ERROR, f"{folder}: cannot write a trace: {str(error).splitlines()[0]}")]
    finally:
        probe.unlink(missing_ok=True)
    return [Finding(OK, f"{folder.resolve()}: HDF5 writes and locks")]
