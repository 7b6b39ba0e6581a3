"""Who is gone, by processes of this host and by signs of life."""

import itertools
import subprocess
import sys
import time

import numpy as np

from adsp_mpi.mpi.ranks.liveness import Processes, Watch


def test_a_dead_process_is_gone_though_memory_it_shared_still_answers() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    everyone = [("host", "space", child.pid), ("elsewhere", "space", 1)]
    watch = Watch(Processes(0, everyone), [0, 1], with_signs=True)
    answers = itertools.count(1)
    assert watch.gone(np.full(2, float(next(answers)))) == []
    child.kill()
    child.wait()
    deadline = time.monotonic() + 30
    while not (gone := watch.gone(np.full(2, float(next(answers))))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert gone == [0]
