"""Several hosts over TCP on this machine; tests are skipped, with the reason, if that fails."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Iterator

import pytest

from tests.launch.launcher import Finished, find_mpirun, is_open_mpi, launch_command

SCRIPT = Path(__file__).with_name("hosts.sh")
HOSTS = 4


def hosts_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.fixture(scope="session")
def hosts() -> Iterator[Callable[..., None]]:
    """Four hosts; calling it with (host, rate) limits what that host sends."""
    if not find_mpirun():
        pytest.skip("no mpirun beside this Python or on PATH")
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("tc"):
        pytest.skip("several hosts on one machine need root and iproute2")
    hosts_script("down")
    made = hosts_script("up", str(HOSTS))
    if made.returncode:
        hosts_script("down")
        pytest.skip(f"network namespaces cannot be made here: {made.stderr.strip()}")

    def limit(host: int, rate: str) -> None:
        done = hosts_script("limit", str(host), rate)
        assert done.returncode == 0, done.stderr

    yield limit
    hosts_script("down")


def launch_on_hosts(ranks: int, *arguments: str, cwd: Path, limit_s: float = 120) -> Finished:
    """One rank per host, over TCP."""
    command, settings = command_on_hosts(ranks, *arguments, hosts=ranks)
    return launch_command(command, settings, cwd, limit_s)


def command_on_hosts(
    ranks: int, *arguments: str, hosts: int = HOSTS
) -> tuple[list[str], dict[str, str]]:
    """The command `mpirun` for ranks spread evenly over TCP hosts, and its environment."""
    mpirun = find_mpirun()
    assert mpirun
    addresses = [f"10.77.0.{i + 1}" for i in range(hosts)]
    per_host = ranks // hosts
    if is_open_mpi(mpirun):
        settings = {
            "OMPI_MCA_pml": "ob1",
            "OMPI_MCA_btl": "tcp,self",
            "OMPI_MCA_btl_tcp_if_include": "e0",
        }
        options = [
            *("--prtemca", "plm_ssh_agent", str(SCRIPT), "--prtemca", "prte_if_include", "e0"),
            *("--host", ",".join(f"{a}:{per_host}" for a in addresses), "--map-by", "node"),
            *("-x", "OMPI_MCA_btl_tcp_if_include"),
        ]
    else:
        settings = {}
        options = [
            *("-launcher", "ssh", "-launcher-exec", str(SCRIPT), "-hosts", ",".join(addresses)),
            *("-ppn", str(per_host), "-genv", "UCX_TLS", "tcp,self"),
        ]
    inside = ["ip", "netns", "exec", "t1", "unshare", "--uts", "bash", "-c", 'hostname t1; "$@"']
    return [*inside, "-", mpirun, *options, "-n", str(ranks), *arguments], settings
