"""Lets the ranks of the tests' launches begin with their libraries imported.

A rank takes two seconds of processor time to import torch. So a process that has imported it
stands by, one for each process of pytest, and forks for each rank. What the launcher starts is
`python forked.py SOCKET ARGUMENTS`: it hands its files, environment and folder to the fork, which
does what `python ARGUMENTS` would do, and lives and ends with it.
"""

import array
import ctypes
import gc
import json
import os
import runpy
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

LIBRARIES = ("torch", "torch._dynamo", "h5py", "scipy.sparse", "sklearn.datasets", "rich.live")
"""Of these an optimizer's first step imports torch._dynamo."""

PR_SET_PDEATHSIG, PR_GET_PDEATHSIG = 1, 2
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
MOST_FILES = 64
NUMBER = struct.Struct("i")
STREAMS = ((0, "r"), (1, "w"), (2, "w"))


def serve(path: str) -> None:
    """Import the libraries, and fork for every client, until the parent is gone."""
    die_with_parent()
    for name in LIBRARIES:
        __import__(name)
    gc.freeze()  # no rank looks for garbage among the libraries
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)
    listening.listen(64)
    while True:
        client, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            keep(client)
            return
        client.close()


def keep(client: socket.socket) -> None:
    """Fork the rank; tell the client its process and its end, and let it end with the client.

    A client that jobs/rank.py started ends with that one, and its rank can put an end to this.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    (arguments, environment, folder, guarded), files = received(client)
    rank = os.fork()
    if rank == 0:
        client.close()
        if guarded:
            die_with_parent()
        become(arguments, environment, folder, files)
        return
    keeper = os.getpid()
    for _, file in files:
        os.close(file)
    client.sendall(NUMBER.pack(rank))
    if os.fork() == 0:  # the client never sends more: its end is the end of what it sends
        client.recv(1)
        with suppress(ProcessLookupError):
            os.kill(keeper if guarded else rank, signal.SIGKILL)
        os._exit(0)
    _, status = os.waitpid(rank, 0)
    with suppress(OSError):
        client.sendall(NUMBER.pack(status))
    client.shutdown(socket.SHUT_RDWR)
    os._exit(0)


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def dies_with_parent() -> bool:
    number = ctypes.c_int()
    ctypes.CDLL(None).prctl(PR_GET_PDEATHSIG, ctypes.byref(number))
    return number.value != 0


def received(client: socket.socket) -> tuple[list[Any], list[tuple[int, int]]]:
    """What a client says of itself, and its files as (its number, ours)."""
    space = socket.CMSG_SPACE(MOST_FILES * NUMBER.size)
    first, [(_, _, data)], *_ = client.recvmsg(8, space)
    (size,) = struct.unpack("q", first)
    text = b""
    while len(text) < size:
        text += client.recv(size - len(text))
    *said, numbers = json.loads(text)
    ours = array.array("i", data[: len(data) - len(data) % NUMBER.size])
    return said, list(zip(numbers, ours, strict=True))


def become(
    arguments: list[str], environment: dict[str, str], folder: str, files: list[tuple[int, int]]
) -> None:
    """Do what `python ARGUMENTS` would do, with these files and this environment in `folder`."""
    moved = [(number, os.dup2(file, MOST_FILES + file)) for number, file in files]
    for number, file in moved:
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, closefd=False) for n, mode in STREAMS)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    rank = environment.get("PMI_RANK") or environment.get("OMPI_COMM_WORLD_RANK", "0")
    with open("/proc/self/comm", "w") as name:
        name.write(f"rank-{rank}")
    sys.path[0:1] = [p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if arguments[0] == "-m":
        sys.path.insert(0, folder)
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def ask(path: str, arguments: list[str]) -> int:
    """The client: let a fork take this process's place; returns its exit code."""
    files = [int(name) for name in os.listdir("/proc/self/fd")]
    files = [file for file in files if is_open(file)]
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.connect(path)
    said = [arguments, dict(os.environ), os.getcwd(), dies_with_parent()]
    text = json.dumps([*said, files]).encode()
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))
    server.sendmsg([struct.pack("q", len(text))], [rights])
    server.sendall(text)
    for file in files:
        if file > 2:
            os.close(file)
    rank = NUMBER.unpack(server.recv(NUMBER.size))[0]

    def pass_on(number: int, _: object) -> None:
        with suppress(ProcessLookupError):  # it may have ended already
            os.kill(rank, number)

    for number in PASSED_ON:
        signal.signal(number, pass_on)
    status = NUMBER.unpack(server.recv(NUMBER.size))[0]
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        with suppress(OSError):  # SIGKILL always has its default action
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


def is_open(file: int) -> bool:
    try:
        os.fstat(file)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(ask(sys.argv[1], sys.argv[2:]))
