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
    """

    def __init__(self, model: FlatModel) -> None:
        self.local = model.values
        self.base = self.local.clone()
        on_gpu = self.local.is_cuda
        self._update = torch.empty(self.local.shape, pin_memory=on_gpu)
        self._answer = torch.empty(self.local.shape, pin_memory=on_gpu)
        self._scratch = torch.empty_like(self.local) if on_gpu else self._update

    @property
    def update(self) -> np.ndarray:
        """The update in flight, host float32[P]."""
        return self._update.numpy()

    @property
    def answer(self) -> np.ndarray:
        """Where a commit or a pull puts the global model, host float32[P]."""
        return self._answer.numpy()

    def take_update(self, factor: float) -> np.ndarray:
        """`factor` times what was learnt since the base; learning can go on at once."""
        torch.sub(self.local, self.base, out=self._scratch)
        if factor != 1.0:
            self._scratch.mul_(factor)
        if self._scratch is not self._update:
            self._update.copy_(self._scratch)
        self.base.copy_(self.local)
        return self.update

    def rebase(self) -> None:
        """The update has landed on `answer`: go on from there, keeping what came after it."""
        self._answer.add_(self._update)
        landed = self._answer.to(self.base.device)
        self.local.sub_(self.base).add_(landed)
        self.base.copy_(landed)

    def replace(self, keep_local: bool = False) -> None:
        """The local model becomes `answer`, if `keep_local` plus what was learnt since the base."""
        taken = self._answer.to(self.base.device)
        if keep_local:
            self.local.sub_(self.base).add_(taken)
        else:
            self.local.copy_(taken)
        self.base.copy_(taken)
