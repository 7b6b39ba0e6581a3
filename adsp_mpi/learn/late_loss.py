"""The losses of steps, read without a wait for the GPU that computes them."""

from typing import Callable

import torch

Loss = float | torch.Tensor | None
Read = Callable[[], float]


class LateLoss:
    """Holds the loss of a step. A loss on a GPU is known one step later, all others at once."""

    def __init__(self) -> None:
        self._logged: Loss = None
        self._late: Read | None = None

    def log(self, loss: Loss) -> None:
        """Note the loss of the present step."""
        self._logged = loss.detach() if isinstance(loss, torch.Tensor) else loss

    def take(self) -> float | None:
        """The newest loss that is known, now that a step is over; None if there is no new one."""
        loss, self._logged = self._logged, None
        late, self._late = self._late, None
        if isinstance(loss, torch.Tensor) and loss.is_cuda:
            self._late = copied(loss)
        elif loss is not None:
            return float(loss)
        return late() if late else None


def copied(loss: torch.Tensor) -> Read:
    """Begin to copy a scalar from the GPU; the result, called later, is its value.

    The copy is done before the kernels that are queued after it; to read the scalar itself would
    wait for those too.
    """
    there = torch.empty((), dtype=loss.dtype, pin_memory=True)
    there.copy_(loss.reshape(()), non_blocking=True)
    done = torch.cuda.Event()
    done.record(torch.cuda.current_stream(loss.device))

    def read() -> float:
        done.synchronize()
        return float(there)

    return read
