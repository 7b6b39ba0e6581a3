"""A user's training script whose callbacks write what they are told into files."""

import json
import os
from pathlib import Path
from typing import Any

from tests.unit.own_loops import constant


class ToFile:
    """Writes what its methods are called with into `callbacks-<process>.jsonl`, line by line."""

    def _write(self, name: str, facts: dict[str, Any]) -> None:
        with Path(f"callbacks-{os.getpid()}.jsonl").open("a") as file:
            print(json.dumps({"called": name, **facts}), file=file)

    def on_commit(self, facts: dict[str, Any]) -> None:
        self._write("on_commit", facts)

    def on_evaluation(self, facts: dict[str, Any]) -> None:
        self._write("on_evaluation", facts)

    def on_checkpoint(self, facts: dict[str, Any]) -> None:
        assert Path(facts["path"]).is_dir()
        self._write("on_checkpoint", facts)


def followed() -> None:
    """As `constant`, with callbacks."""
    constant([ToFile()])
