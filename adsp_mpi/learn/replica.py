"""A worker's copy of the model: what it learnt since its last commit, and how it rebases."""

import numpy as np
import torch

from adsp_mpi.learn.flat import FlatModel


class Replica:
    """The local model beside the state that its next update is counted from.

    `local` is the model being trained, `base` the state at the last commit or pull. A commit
    goes `take_update` (base becomes the local model as sent), then, when the server has
    answered with the model W as it was before the update, `rebase`: the local model becomes
    W + update + everything learnt since the update was taken. All vectors are float32[P];
    `update` and `answer` are what MPI sees, in pinned memory where the model is on a GPU.

    Float buffers (batch-norm statistics) are the part [T:]. Where all commits start from the
    `same_base`, their updates add up to the mean like everything else. Elsewhere sums of stale
    differences could overshoot, and a variance become negative: there a commit moves the
    server's buffers a share of the way to the worker's (`average_buffers`), and the worker
    keeps its own.
    """

    def __init__(self, model: FlatModel, same_base: bool) -> None:
        self.local = model.values
        self.base = self.local.clone()
        on_gpu = self.local.is_cuda
        self._update = torch.empty(self.local.shape, pin_memory=on_gpu)
        self._answer = torch.empty(self.local.shape, pin_memory=on_gpu)
        self._scratch = torch.empty_like(self.local) if on_gpu else self._update
        self.first_buffer = model.num_trainable
        self.averages_buffers = not same_base and model.num_trainable < model.num_elements
        self._rebased = slice(0, model.num_trainable if self.averages_buffers else None)

    @property
    def update(self) -> np.ndarray:
        """The update in flight, host float32[P]."""
        return self._update.numpy()

    @property
    def answer(self) -> np.ndarray:
        """Where a commit or a pull puts the global model, host float32[P]."""
        return self._answer.numpy()

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The vectors, for `resume`."""
        return {
            "local": self.local.cpu().numpy().copy(),
            "base": self.base.cpu().numpy().copy(),
            "update": self.update.copy(),
        }

    def resume(self, state: dict[str, np.ndarray]) -> None:
        """Hold the vectors whose `state` this is."""
        self.local.copy_(torch.from_numpy(state["local"]))
        self.base.copy_(torch.from_numpy(state["base"]))
        self.update[:] = state["update"]

    def take_update(self, factor: float) -> np.ndarray:
        """`factor` times what was learnt since the base; learning can go on at once."""
        torch.sub(self.local, self.base, out=self._scratch)
        if factor != 1.0:
            self._scratch.mul_(factor)
        if self._scratch is not self._update:
            self._update.copy_(self._scratch)
        self.base.copy_(self.local)
        return self.update

    @property
    def buffers_answer(self) -> np.ndarray:
        """Where the server's buffers go before `average_buffers`, host float32[P - T]."""
        return self.answer[self.first_buffer :]

    def average_buffers(self, share: float) -> None:
        """Let the update move the server's buffers, just read, by `share` towards those sent."""
        sent = self.base[self.first_buffer :].to(self._answer.device)
        update = self._update[self.first_buffer :]
        torch.sub(sent, self._answer[self.first_buffer :], out=update).mul_(share)

    def rebase(self) -> None:
        """The update has landed on `answer`: go on from there, keeping what came after it."""
        self._answer.add_(self._update)
        self._go_on_from_answer()

    def replace(self, keep_local: bool = False) -> None:
        """The local model becomes `answer`, if `keep_local` plus what was learnt since the base."""
        if keep_local:
            self._go_on_from_answer()
        else:
            self.local.copy_(self._answer)
            self.base.copy_(self.local)

    def _go_on_from_answer(self) -> None:
        part = self._rebased
        landed = self._answer[part].to(self.base.device)
        self.local[part].sub_(self.base[part]).add_(landed)
        self.base[part].copy_(landed)
