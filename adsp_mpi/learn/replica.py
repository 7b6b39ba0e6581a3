"""A worker's copy of the model, the updates taken from it, and how it rebases after a commit."""

import numpy as np
import torch

from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.staging import make_staging


def rebased_elements(model: FlatModel, same_base: bool) -> int:
    """The number of leading elements that commits sum; the rest are averaged.

    See `Replica`.
    """
    return model.num_elements if same_base else model.num_trainable


class Replica:
    """A worker's local model and the base from which its next update is measured.

    `local` is the model being trained; `base` is the model as of the last commit or pull. A
    commit first calls `take_update`: the update is local - base, and base becomes local. When the
    server has answered with W, the global model before the update, `rebase` makes the local model
    W + update + whatever was learnt since the update was taken. All vectors are float32[P];
    `update` and `answer` are the buffers given to MPI, pinned where the model is on a GPU.

    Where the server answers at once, a commit goes chunk by chunk while each is in the processor's
    cache, and no step comes in between: `gather`, then for each part `take_part` and `land_part`.
    The answer overwrites that part of the base, which is no longer needed.

    Float buffers (batch-norm statistics) are the elements [T:]. With `same_base`, all commits
    of a round start from one model, and buffers are summed like parameters. Otherwise sums of
    stale differences could overshoot and make a variance negative: there a commit moves the
    server's buffers a share of the way to the worker's (`average_buffers`), and the worker keeps
    its own.
    """

    def __init__(self, model: FlatModel, same_base: bool) -> None:
        self._model = model
        self.local = model.values
        self.base = self.local.clone()
        self._staging = staging = make_staging(self.local.device)
        self.has_parts = staging.in_place and not model.has_copies
        self._update, self._answer = staging.buffer(self.local), staging.buffer(self.local)
        self._scratch = self._update if staging.in_place else torch.empty_like(self.local)
        self.first_buffer = model.num_trainable
        self.num_rebased = rebased_elements(model, same_base)
        self.averages_buffers = self.num_rebased < len(self.local)
        self.update = self._update.numpy()
        """The update in flight, host float32[P]."""

        self.answer = self._answer.numpy()
        """Where a commit or a pull puts the global model, host float32[P]."""

        if self.has_parts:
            self._local_values, self._base_values = self.local.numpy(), self.base.numpy()

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the vectors, float32[P] on the host."""
        self._model.gather()
        return {
            "local": self.local.cpu().numpy().copy(),
            "base": self.base.cpu().numpy().copy(),
            "update": self.update.copy(),
        }

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Continue from the vectors that `state_dict` returned."""
        self._model.load(torch.from_numpy(state["local"]))
        self.base.copy_(torch.from_numpy(state["base"]))
        self.update[:] = state["update"]

    def take_update(self, factor: float) -> np.ndarray:
        """Take `factor` * (local - base) as the update; training may continue at once.

        The returned vector is complete once `taken` is true.
        """
        self._model.gather()
        torch.sub(self.local, self.base, out=self._scratch)
        if factor != 1.0:
            self._scratch.mul_(factor)
        if not self._staging.in_place:
            self._staging.send_down(self._scratch, self._update)
        self.base.copy_(self.local)
        return self.update

    def is_finite(self) -> bool:
        """Whether all numbers of the local model are finite."""
        self._model.gather()
        return bool(torch.isfinite(self.local).all())

    @property
    def taken(self) -> bool:
        """Whether `update` is complete."""
        return self._staging.arrived

    def settle(self) -> None:
        """Wait until `answer` may be overwritten."""
        self._staging.settle()

    def gather(self) -> None:
        """Let `local` hold what the model's tensors hold, before its parts are taken."""
        self._model.gather()

    def take_part(self, part: slice, factor: float) -> tuple[np.ndarray, np.ndarray]:
        """Take `factor` * (local - base) of a part; returns it and the buffer for the model with
        it."""
        update, base = self.update[: part.stop - part.start], self._base_values[part]
        np.subtract(self._local_values[part], base, out=update)
        np.multiply(update, np.float32(factor), out=update)
        return update, base

    def land_part(self, part: slice) -> None:
        """Rebase a part: the model with its update is in the buffer returned before."""
        self._local_values[part] = self._base_values[part]

    @property
    def buffers_answer(self) -> np.ndarray:
        """The server's float buffers, to fill in before `average_buffers`: host float32[P - T]."""
        return self.answer[self.first_buffer :]

    def average_buffers(self, share: float) -> None:
        """Make the update move the server's buffers, just read, by `share` towards the worker's."""
        sent = self.local[self.first_buffer :].to(self._answer.device)
        update = self._update[self.first_buffer :]
        torch.sub(sent, self._answer[self.first_buffer :], out=update).mul_(share)

    def rebase(self) -> None:
        """Rebase onto `answer` + update, and keep what was learnt after the update was taken."""
        self._answer.add_(self._update)
        self._go_on()

    def replace(self, keep_local: bool = False) -> None:
        """The local model becomes `answer`, plus local - base where `keep_local`."""
        if keep_local:
            self._go_on()
        else:
            self._model.load(self._staging.bring_up(self._answer, self.local.device))
            self.base.copy_(self.local)

    def _go_on(self) -> None:
        local, base = self.local[: self.num_rebased], self.base[: self.num_rebased]
        landed = self._staging.bring_up(self._answer[: self.num_rebased], base.device)
        self._model.gather()
        local.sub_(base).add_(landed)
        base.copy_(landed)
        self._model.scatter(self.base)
