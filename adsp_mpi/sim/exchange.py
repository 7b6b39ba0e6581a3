"""What a commit and a pull do to the global model and to a worker's, in virtual time."""

from typing import Any

import numpy as np

from adsp_mpi.core.compression import Codec, Known, Residual, blocks, commit_bytes
from adsp_mpi.sim.problem import Learner


class Exchange:
    """Between the global model's `values`, float32[P], and the learners of all workers."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.commit_bytes = commit_bytes(None, len(values))
        """What a worker sends for a commit."""

    def take(self, worker: int, learner: Learner, factor: float) -> None:
        """A commit sets out with `factor` times what was learnt."""
        learner.take_update(factor)

    def land(self, worker: int, learner: Learner) -> None:
        """It arrives as a whole, and the worker goes on from there."""
        learner.before_landing(self.values)
        learner.answer[:] = self.values
        self.values += learner.update
        learner.rebase()

    def pull(self, worker: int, learner: Learner, keep_local: bool) -> None:
        """The worker takes up what there is now."""
        learner.answer[:] = self.values
        learner.replace(keep_local)

    def fetch(self, worker: int, learner: Learner) -> None:
        """The worker begins anew from the global model."""
        self.pull(worker, learner, keep_local=False)

    @property
    def state(self) -> dict[str, Any]:
        """All but `values` and what the learners hold, for `resume`."""
        return {}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where the exchange with this `state` stood."""


def make_exchange(codec: Codec | None, values: np.ndarray, learners: list[Learner]) -> Exchange:
    """As `codec` says; every learner has fetched the model then."""
    made = CompressedExchange(values, codec, learners) if codec else Exchange(values)
    for worker, learner in enumerate(learners):
        made.fetch(worker, learner)
    return made


class CompressedExchange(Exchange):
    """Both ways carry as many bytes as `codec` makes of them; averaged buffers go as they are."""

    def __init__(self, values: np.ndarray, codec: Codec, learners: list[Learner]) -> None:
        super().__init__(values)
        self._codec = codec
        self._size = size = learners[0].num_rebased
        self.commit_bytes = commit_bytes(codec, size) + 4 * (len(values) - size)
        self._residuals = [Residual(codec, size) for _ in learners]
        self._known = Known(codec, len(learners), size)
        self._sent: dict[int, list[np.ndarray]] = {}

    def take(self, worker: int, learner: Learner, factor: float) -> None:
        update = learner.take_update(factor)
        self._sent[worker] = self._residuals[worker].take(update[: self._size])

    def land(self, worker: int, learner: Learner) -> None:
        learner.before_landing(self.values)
        for block, data in zip(blocks(self._size), self._sent.pop(worker), strict=True):
            self._codec.add(data, self.values[block])
        self.values[self._size :] += learner.update[self._size :]
        self.pull(worker, learner, keep_local=True)

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

    @property
    def state(self) -> dict[str, Any]:
        residuals = [residual.values for residual in self._residuals]
        sent = [[worker, data] for worker, data in self._sent.items()]
        return {"residuals": residuals, "known": self._known.values, "sent": sent}

    def resume(self, state: dict[str, Any]) -> None:
        for residual, values in zip(self._residuals, state["residuals"], strict=True):
            residual.values[:] = values
        self._known.values[:] = state["known"]
        self._sent = {worker: data for worker, data in state["sent"]}
