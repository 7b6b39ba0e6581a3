"""Commands of users, one after the other under one mpirun, so that start-up is paid for once.

The argument is a JSON file: a list of commands, each a list of what follows `python` on the command
line. Rank r writes what command k prints to k-r.out and k-r.err in the working folder, and its exit
code to k-r.code.
"""

import gc
import json
import os
import runpy
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from mpi4py import MPI

from adsp_mpi.mpi.ranks.backoff import wait_for


@contextmanager
def output_in(stem: str) -> Iterator[None]:
    """What this process writes to stdout and stderr goes to files meanwhile."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = [os.dup(1), os.dup(2)]
    for number, ending in ((1, "out"), (2, "err")):
        file = os.open(f"{stem}.{ending}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, old in zip((1, 2), before, strict=True):
            os.dup2(old, number)
            os.close(old)


def run(command: list[str]) -> int:
    """Do what `python COMMAND` would do; its exit code."""
    try:
        if command[0] == "-m":
            sys.argv = command[1:]
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = command
            runpy.run_path(command[0], run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    sys.path.insert(0, str(Path.cwd()))
    rank = MPI.COMM_WORLD.rank
    for number, command in enumerate(json.loads(Path(sys.argv[1]).read_text())):
        with output_in(f"{number}-{rank}"):
            code = run(command)
        gc.collect()
        Path(f"{number}-{rank}.code").write_text(str(code))
        wait_for([MPI.COMM_WORLD.Ibarrier()])


if __name__ == "__main__":
    main()
