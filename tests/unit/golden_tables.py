"""Small simulations of every scheme, and a digest of each table that they record.

    python -m tests.unit.golden_tables > tests/unit/golden/simulated_tables.json

writes the reference of test_golden_tables anew: only if the tables are meant to change.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from adsp_mpi.core.models import MODELS
from adsp_mpi.sim.run import simulate
from adsp_mpi.trace import Trace
from tests.unit.simulated import config_of

REFERENCE = Path(__file__).parent / "golden" / "simulated_tables.json"

PROFILE = """
step_time_s = [0.1, 0.1, 0.25]
delay_s = [0.0, 0.05, 0.3]
[[change]]
jitter = 0.3
[[change]]
workers = [1]
straggle = {every_s = 4, for_s = 2, slowdown = 3}
"""

CASES: dict[str, tuple[str, dict[str, dict[str, Any]]]] = {
    **{model: (model, {"simulate": {"server_bandwidth_mb_s": 1e-3}}) for model in MODELS},
    "adsp, own links": ("adsp", {}),
    "adsp, blocking": ("adsp", {"sync": {"blocking_commits": True}}),
    "adsp, topk": ("adsp", {"train": {"compress": "topk:0.25"}}),
    "asp, all steps taken": ("asp", {"stop": {"max_steps": 25}}),
    "bsp, float16": ("bsp", {"train": {"compress": "float16"}}),
}
"""The scheme and its settings, by the name of the case."""


def digests(case: str, folder: Path) -> dict[str, str]:
    """Simulate one of `CASES` into `folder`; returns a digest per table, over all workers."""
    model, settings = CASES[case]
    (folder / "p.toml").write_text(PROFILE)
    sections: dict[str, dict[str, Any]] = {
        "hetero": {"profile": str(folder / "p.toml")},
        "sync": {"check_period_s": 1.5},
        "simulate": {"workers": 3},
        "eval": {"period_s": 0.7},
        "stop": {"max_seconds": 40.0},
    }
    for name, values in settings.items():
        sections[name] = sections.get(name, {}) | values
    simulate(config_of(model, **sections), folder)
    found: dict[str, Any] = {}
    with Trace(folder) as trace:
        for path in sorted(trace.tables):
            parts = path.split("/")
            name = f"workers/{parts[2]}" if parts[0] == "workers" else path
            found.setdefault(name, hashlib.sha256()).update(_text(trace.table(path)).encode())
    return {name: digest.hexdigest()[:16] for name, digest in found.items()}


def _text(rows: np.ndarray) -> str:
    """Column names and values; numbers to nine digits, which every machine computes alike."""
    names = rows.dtype.names or ()
    return "\n".join(
        [" ".join(names)]
        + [
            " ".join(f"{v:.9g}" if isinstance(v, float) else str(v) for v in row)
            for row in rows.tolist()
        ]
    )


def main() -> None:
    found = {}
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            found[case] = digests(case, Path(folder))
    json.dump(found, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
