"""The user's own functions that are called at commits, evaluations and checkpoints."""

from typing import Any, Callable, Sequence

from adsp_mpi.core.worker_tables import Tables
from adsp_mpi.errors import UsageError

NAMES = ("on_commit", "on_evaluation", "on_checkpoint")


class Callbacks:
    """Calls the methods with these `NAMES` of objects that may have some of them, with a dict.

    `before` is called before each of them. Raises UsageError for an object that has none of them.
    """

    def __init__(
        self, objects: Sequence[Any] = (), before: Callable[[], None] = lambda: None
    ) -> None:
        self._objects = objects
        self._before = before
        for given in objects:
            if not any(callable(getattr(given, name, None)) for name in NAMES):
                kind = type(given).__name__
                raise UsageError(f"callbacks: {kind} has no method {', '.join(NAMES)}")

    def after(self, before: Callable[[], None]) -> "Callbacks":
        """The same functions, each called after `before`."""
        return Callbacks(self._objects, before)

    def call(self, name: str, facts: dict[str, Any]) -> None:
        """Call the method `name` of every object that has it with a copy of `facts`."""
        for function in self._functions(name):
            self._before()
            function(dict(facts))

    def with_commits(self, tables: Tables, worker: int) -> Tables:
        """Tables that record as `tables` do, and call `on_commit` after each commit of `worker`."""
        if not self._functions("on_commit"):
            return tables

        def commit(
            begun_s: float, done_s: float, number: int, steps: int, lag: int, blocked_s: float,
            sent_bytes: int, *decision: Any,
        ) -> None:  # fmt: skip
            tables.commits(
                begun_s, done_s, number, steps, lag, blocked_s, sent_bytes, *decision
            )  # fmt: skip
            facts = {
                "worker": worker, "number": number, "steps": steps, "lag": lag,
                "begun_s": begun_s, "done_s": done_s, "blocked_s": blocked_s,
                "sent_bytes": sent_bytes,
            }  # fmt: skip
            self.call("on_commit", facts)

        return tables._replace(commits=commit)

    def _functions(self, name: str) -> list[Callable[[dict[str, Any]], object]]:
        found = (getattr(given, name, None) for given in self._objects)
        return [function for function in found if callable(function)]


NO_CALLBACKS = Callbacks()
