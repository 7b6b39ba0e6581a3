"""What commits and pulls do to the global model and to the workers' models, in virtual time."""

from typing import Any

import numpy as np

from adsp_mpi.core.commit_rule import CommitRule, Landing
from adsp_mpi.core.compression import Codec, Known, Residual, blocks, commit_bytes
from adsp_mpi.sim.problem import Learner, Problem


class Exchange:
    """Moves updates and models between the global `values`, float32[P], and the learners.

    The commit rule acts on `trained`, the first T numbers of `values`; buffers are always summed.
    """

    def __init__(self, values: np.ndarray, num_trained: int, rule: CommitRule) -> None:
        self.values = values
        self.trained = values[:num_trained]
        self._buffers = values[num_trained:]
        self._rule = rule
        rule.begin(self.trained)
        rule.check_state()
        self.commit_bytes = commit_bytes(None, len(values))
        """The bytes that a worker sends for a commit."""

    def take(self, worker: int, learner: Learner, factor: float) -> None:
        """Begin a commit of `factor` times what `worker` has learnt since its base."""
        learner.take_update(factor)

    def land(self, landing: Landing, learner: Learner) -> None:
        """Land a commit as a whole; its worker goes on from the model after it."""
        learner.before_landing(self.values)
        update = learner.update
        if len(self._buffers):
            self._buffers += update[len(self.trained) :]
            update = update[: len(self.trained)]
        self._rule.apply(self.trained, update, landing)
        learner.answer[:] = self.values
        learner.replace(keep_local=True)

    def drop(self, worker: int) -> None:
        """The commit of `worker` in flight never lands."""

    def outer_step(self) -> float:
        """Make the rule's outer step on the model; returns its norm."""
        kick = self._rule.outer_step(self.trained)
        if kick is None:
            return 0.0
        self.trained += kick
        return float(np.linalg.norm(kick))

    def model_state_dict(self) -> dict[str, Any]:
        """The global model and its rule's state."""
        return {"values": self.values.copy(), "rule": self._rule.state_dict()}

    def load_model_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `model_state_dict` returned."""
        self.values[:] = state["values"]
        self._rule.load_state_dict(state["rule"])

    def pull(self, worker: int, learner: Learner, keep_local: bool) -> None:
        """Give the worker the global model, plus what it learnt since its base if `keep_local`."""
        learner.answer[:] = self.values
        learner.replace(keep_local)

    def fetch(self, worker: int, learner: Learner) -> None:
        """Give the worker the global model; it drops all else, even what compression held back."""
        self.pull(worker, learner, keep_local=False)

    def state_dict(self) -> dict[str, Any]:
        """The state of the model, its rule and commits in flight, without the learners'."""
        return self.model_state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.load_model_state_dict(state)


def make_exchange(
    codec: Codec | None, problem: Problem, rule: CommitRule, learners: list[Learner]
) -> Exchange:
    """An exchange, with or without a `codec`, in which every learner has the global model."""
    values, num_trained = problem.values, problem.num_trained
    made = (
        CompressedExchange(values, num_trained, rule, codec, learners)
        if codec
        else Exchange(values, num_trained, rule)
    )
    for worker, learner in enumerate(learners):
        made.fetch(worker, learner)
    return made


class CompressedExchange(Exchange):
    """An exchange that encodes commits and answers; averaged buffers are sent unencoded."""

    def __init__(
        self,
        values: np.ndarray,
        num_trained: int,
        rule: CommitRule,
        codec: Codec,
        learners: list[Learner],
    ) -> None:
        super().__init__(values, num_trained, rule)
        self._codec = codec
        self._size = size = learners[0].num_rebased
        self.commit_bytes = commit_bytes(codec, size) + 4 * (len(values) - size)
        self._residuals = [Residual(codec, size) for _ in learners]
        self._known = Known(codec, len(learners), size)
        self._sent: dict[int, list[np.ndarray]] = {}

    def take(self, worker: int, learner: Learner, factor: float) -> None:
        update = learner.take_update(factor)
        self._sent[worker] = self._residuals[worker].take(update[: self._size])

    def drop(self, worker: int) -> None:
        self._sent.pop(worker, None)

    def land(self, landing: Landing, learner: Learner) -> None:
        learner.before_landing(self.values)
        sent = self._sent.pop(landing.worker)
        for block, data in zip(blocks(self._size), sent, strict=True):
            self._codec.add(data, self.values[block])
        self.values[self._size :] += learner.update[self._size :]
        self.pull(landing.worker, learner, keep_local=True)

    def pull(self, worker: int, learner: Learner, keep_local: bool) -> None:
        for block in blocks(self._size):
            self._known.tell(worker, block, self.values[block])
        unsent = self._residuals[worker].values
        learner.answer[: self._size] = self._known.values[worker] + unsent
        learner.answer[self._size :] = self.values[self._size :]
        learner.replace(keep_local)

    def fetch(self, worker: int, learner: Learner) -> None:
        self._residuals[worker].values[:] = 0
        self._known.told(worker, slice(0, self._size), self.values[: self._size])
        super().pull(worker, learner, keep_local=False)

    def state_dict(self) -> dict[str, Any]:
        residuals = [residual.values for residual in self._residuals]
        sent = [[worker, data] for worker, data in self._sent.items()]
        own = {"residuals": residuals, "known": self._known.values, "sent": sent}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        for residual, values in zip(self._residuals, state["residuals"], strict=True):
            residual.values[:] = values
        self._known.values[:] = state["known"]
        self._sent = {worker: data for worker, data in state["sent"]}
