"""Copies between the memory that a model is trained in and the host's, which is what MPI sees."""

import torch


class Staging:
    """A model on the CPU lies in host memory: everything has arrived at once."""

    in_place = True

    def buffer(self, like: torch.Tensor) -> torch.Tensor:
        """Host memory of the size of `like`, uninitialised."""
        return torch.empty(like.shape)

    def send_down(self, values: torch.Tensor, to: torch.Tensor) -> None:
        """Begin to copy `values`, which do not change until it has arrived, to host memory."""
        to.copy_(values)

    @property
    def arrived(self) -> bool:
        """What was sent down is there."""
        return True

    def bring_up(self, values: torch.Tensor, device: torch.device) -> torch.Tensor:
        """Host `values` for use on `device`; they may change after `settle`."""
        return values

    def settle(self) -> None:
        """Wait until nothing is under way."""


class StreamStaging(Staging):
    """A model on a GPU: pinned host memory, and a stream of its own beside that of the training."""

    in_place = False

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._sent_down: torch.cuda.Event | None = None

    def buffer(self, like: torch.Tensor) -> torch.Tensor:
        return torch.empty(like.shape, pin_memory=True)

    def send_down(self, values: torch.Tensor, to: torch.Tensor) -> None:
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            to.copy_(values, non_blocking=True)
            self._sent_down = self._stream.record_event()

    @property
    def arrived(self) -> bool:
        return self._sent_down is None or self._sent_down.query()

    def bring_up(self, values: torch.Tensor, device: torch.device) -> torch.Tensor:
        training = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            brought = values.to(device, non_blocking=True)
        training.wait_stream(self._stream)
        brought.record_stream(training)
        return brought

    def settle(self) -> None:
        self._stream.synchronize()


def make_staging(device: torch.device) -> Staging:
    """What suits a model on `device`."""
    return StreamStaging(device) if device.type == "cuda" else Staging()
