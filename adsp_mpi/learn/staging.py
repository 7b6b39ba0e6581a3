"""Copies between the memory of the device that trains and the host memory that MPI uses."""

import torch


class Staging:
    """For a model on the CPU, which is in host memory: every copy is complete at once."""

    in_place = True

    def buffer(self, like: torch.Tensor) -> torch.Tensor:
        """Uninitialised host memory of the shape of `like`."""
        return torch.empty(like.shape)

    def send_down(self, values: torch.Tensor, to: torch.Tensor) -> None:
        """Begin to copy `values` to host memory; they must not change until it has `arrived`."""
        to.copy_(values)

    @property
    def arrived(self) -> bool:
        """Whether the last `send_down` is complete."""
        return True

    def bring_up(self, values: torch.Tensor, device: torch.device) -> torch.Tensor:
        """Copy host `values` to `device`; they may be overwritten after `settle`."""
        return values

    def settle(self) -> None:
        """Wait until all copies are complete."""


class StreamStaging(Staging):
    """For a model on a GPU: pinned host memory, and a stream beside the one that trains."""

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
    """The staging for a model on `device`."""
    return StreamStaging(device) if device.type == "cuda" else Staging()
