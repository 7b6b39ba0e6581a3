"""Input that is wrong, or differs between ranks, under mpirun: one line from one rank."""

import json
import socket
from pathlib import Path

from tests.launch.launcher import PROGRAMS, launch

HOST = socket.gethostname()
EXPECTED = {
    "other settings": (
        2,
        f"the ranks' settings differ: rank 2 on {HOST} has sync.model = 'bsp', "
        "rank 0 has sync.model = 'adsp'; start every rank with the same",
    ),
    "other machine": None,
    "other shapes": (
        2,
        f"the ranks' models differ: rank 2 on {HOST} has 0.weight float32[1, 3], "
        "rank 0 has 0.weight float32[3, 2]; every rank must build the same model",
    ),
    "other data": (
        2,
        f"the ranks' data differ: rank 2 on {HOST} has 59 training samples, rank 0 has 60 training "
        'samples; load the same on every rank, or set train.partition = "own"',
    ),
    "own data": None,
    "vector on workers": (
        1,
        "the task's loss must be a scalar tensor, the mean over the batch; "
        "it is a torch.float32 of shape [32]",
    ),
    "state of a rule": (
        1,
        "CountingRule.state['count'] is of type int: a commit rule's state holds numpy arrays of "
        "numbers, changed in place; for one number np.zeros(1)",
    ),
    "metrics": (1, "the task's metrics must return a dict of numbers; it returned a float"),
}


def test_each_bad_input_is_one_line_from_one_rank(tmp_path: Path) -> None:
    done = launch(3, str(PROGRAMS / "bad_inputs.py"), cwd=tmp_path)
    assert done.code == 0, done.err
    found = dict(json.loads(line) for line in done.out.splitlines() if line.startswith("["))
    assert list(found) == list(EXPECTED)
    for name, expected in EXPECTED.items():
        told = [(code, message) for _, code, message in found[name]]
        assert told == ([expected] if expected else []), name
    assert "Traceback" not in done.err
