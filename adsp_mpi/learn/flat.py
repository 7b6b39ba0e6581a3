"""What a module trains, and its running statistics, as one flat float32 vector."""

from itertools import zip_longest
from typing import Any, Iterable, Sequence

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.tensor_table import Place, table_of
from adsp_mpi.learn.views import Views


class FlatModel:
    """Holds what commits of a module carry in `values`, float32[P].

    First come the T numbers of its trained parameters: those that require a gradient, and those
    named as `also_trained`. Then come the float buffers that are saved with the module, such as
    batch-norm statistics. Everything else stays at home: frozen parameters, and buffers that are
    integers, not saved, or not finite, such as masks.

    With `gradients` there follow T numbers for the gradients of the trained parameters and a last
    one, which is above 0 once gradients are there; `take_gradients` and `give_gradients` move them.

    Dense float32 tensors become views of `values`. Others, of another type or on another device,
    keep their memory: `gather` copies them into `values`, `scatter` copies them back. Both bring
    tensors back that were given other memory meanwhile. Raises UsageError for parameters that are
    complex, expanded, lazy or on the meta device, and for a model without a trained one.
    """

    def __init__(
        self,
        module: nn.Module,
        device: torch.device | None = None,
        also_trained: Iterable[nn.Parameter] = (),
        gradients: bool = False,
    ) -> None:
        _require_usable(module)
        self.module = module if device is None else module.to(device)
        also = {id(parameter) for parameter in also_trained}
        trained = [p for p in module.parameters() if p.requires_grad or id(p) in also]
        if not trained:
            raise UsageError("the model has no trainable parameter")
        saved = {id(tensor) for tensor in module.state_dict(keep_vars=True).values()}
        buffers = [b for b in module.buffers() if _travels(b, saved)]
        tensors: list[torch.Tensor] = [*trained, *buffers]
        ids = {id(tensor) for tensor in tensors}
        self.at_home = {
            name: tensor
            for name, tensor in [*module.named_parameters(), *module.named_buffers()]
            if id(tensor) not in ids
        }
        """The parameters and buffers that no commit carries, by name."""

        self.layout = _layout(module, [*tensors, *self.at_home.values()])
        """Name, type and shape of each tensor, in the order of `values`; those at home follow."""

        device = trained[0].device
        self.num_trainable = sum(p.numel() for p in trained)
        state = sum(t.numel() for t in tensors)
        size = state + gradients * (self.num_trainable + 1)
        self.values = torch.zeros(size, dtype=torch.float32, device=device)
        self.carries_gradients = gradients
        self._gradients = self.values[state:-1] if gradients else self.values[:0]
        if gradients:
            self.layout.append(f"gradients float32[{self.num_trainable}]")
        self.trained = trained
        """The trained parameters, in the order of `values`."""

        self._copied: list[tuple[torch.Tensor, slice]] = []
        places = self._take_over(tensors)
        self.table = table_of(module, places, self.at_home.values())
        """A row for each entry of the module's state_dict: where it is in `values`."""

        copied = {id(tensor) for tensor, _ in self._copied}
        self._views = Views(self.module, [t for t in tensors if id(t) not in copied])
        self.gather()

    @property
    def has_copies(self) -> bool:
        """Whether some tensors are no views, so that `gather` and `scatter` do something."""
        return bool(self._copied)

    def gather(self) -> None:
        """Let `values` hold what the module's tensors hold."""
        self._views.restore(keep=True)
        for tensor, part in self._copied:
            self.values[part].copy_(tensor.detach().reshape(-1))

    def scatter(self, base: torch.Tensor | None = None) -> None:
        """Let the module's tensors hold `values`, rounded to their type.

        `values` and, by the same amounts, `base`, float32[P], then become what was rounded to.
        """
        self._views.restore(keep=False)
        for tensor, part in self._copied:
            tensor.detach().copy_(self.values[part].view(tensor.shape))
            rounded = tensor.detach().reshape(-1).to(self.values)
            if base is not None:
                base[part] += rounded - self.values[part]
            self.values[part].copy_(rounded)

    def load(self, values: torch.Tensor) -> None:
        """Make `values`, float32[P], the model's."""
        self.values.copy_(values)
        self.scatter()

    def hold_gradients(self) -> torch.Tensor:
        """The gradients of the trained parameters as one vector, float32[T], zero now.

        Raises UsageError if some parameter is not a float32 tensor on the model's device.
        """
        for tensor, _ in self._copied:
            if tensor.requires_grad:
                raise UsageError(
                    f"a parameter is {tensor.dtype} on {tensor.device}: plain SGD wants a float32 "
                    "model on one device: model.float(), or take another train.optimizer"
                )
        gradients = torch.zeros(self.num_trainable, dtype=torch.float32, device=self.values.device)
        offset = 0
        for parameter in self.trained:
            parameter.grad = _like(gradients, parameter, offset)
            offset += parameter.numel()
        return gradients

    def take_gradients(self) -> None:
        """Copy the gradients of the trained parameters into `values`; zeros where there are none.

        Raises AdspError for sparse gradients.
        """
        parts = self._gradients.split([p.numel() for p in self.trained])
        for parameter, part in zip(self.trained, parts, strict=True):
            if parameter.grad is None:
                part.zero_()
            elif parameter.grad.layout != torch.strided:
                raise AdspError(
                    "sparse gradients cannot be committed: use Embedding(sparse=False), or set "
                    "sync.commits = weights"
                )
            else:
                part.view(parameter.shape).copy_(parameter.grad)
        self.values[-1] = 1.0

    def give_gradients(self) -> bool:
        """Copy the gradients in `values` to the trained parameters; returns whether there are any.

        A parameter without a gradient keeps none if all in `values` are zero.
        """
        if not self.carries_gradients or not self.values[-1] > 0:
            return False
        parts = self._gradients.split([p.numel() for p in self.trained])
        for parameter, part in zip(self.trained, parts, strict=True):
            if parameter.grad is not None:
                parameter.grad.copy_(part.view(parameter.shape))
            elif part.any():
                parameter.grad = part.view(parameter.shape).to(parameter).clone()
        return True

    @property
    def own_buffers(self) -> dict[str, torch.Tensor]:
        """The buffers that no commit carries, by name."""
        return {name: b for name, b in self.module.named_buffers() if name in self.at_home}

    @property
    def num_elements(self) -> int:
        """P, the length of `values`."""
        return self.values.numel()

    @property
    def state_at_home(self) -> dict[str, Any]:
        """What the module's state_dict holds and no commit carries, by its name there."""
        state = self.module.state_dict()
        return {row["name"]: state[row["name"]] for row in self.table if row.get("at_home")}

    def require_layout(self, saved: Sequence[str], source: str) -> None:
        """Raise UsageError unless `saved`, from `source`, is this model's layout."""
        for before, now in zip_longest(saved, self.layout, fillvalue="nothing more"):
            if before != now:
                raise UsageError(
                    f"{source} is of another model: it has {before} where this one has {now}"
                )

    def _take_over(self, tensors: list[torch.Tensor]) -> dict[int, Place]:
        """Copy the tensors into `values`, and make views of it of those that can be.

        Returns their places, by the tensors' identity.
        """
        places = {}
        offset = 0
        for tensor in tensors:
            end = offset + tensor.numel()
            if _can_be_view(tensor, self.values.device):
                view = _like(self.values, tensor, offset)
                view.copy_(tensor.detach())
                tensor.data = view
                places[id(tensor)] = Place(offset, tensor.stride())
            else:
                places[id(tensor)] = Place(offset, torch.empty(tensor.shape).stride())
                self._copied.append((tensor, slice(offset, end)))
            offset = end
        return places


def _travels(buffer: torch.Tensor, saved: set[int]) -> bool:
    is_saved = id(buffer) in saved and buffer.is_floating_point()
    return is_saved and bool(buffer.isfinite().all())


def _can_be_view(tensor: torch.Tensor, device: torch.device) -> bool:
    """Whether it is float32 on `device`, without gaps or overlaps in memory."""
    if tensor.dtype != torch.float32 or tensor.device != device:
        return False
    dense = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1 and stride != dense:
            return False
        dense *= size
    return True


def _like(flat: torch.Tensor, tensor: torch.Tensor, offset: int) -> torch.Tensor:
    """The part of `flat` from `offset` on in the shape and memory format of `tensor`."""
    return flat.as_strided(tensor.shape, tensor.stride(), offset)


def _layout(module: nn.Module, tensors: list[torch.Tensor]) -> list[str]:
    named = [*module.named_parameters(), *module.named_buffers()]
    names = {id(tensor): name for name, tensor in named}
    return [
        f"{names[id(t)]} {str(t.dtype).removeprefix('torch.')}{list(t.shape)}{_format(t)}"
        for t in tensors
    ]


def _format(tensor: torch.Tensor) -> str:
    """The strides of a tensor that is not contiguous."""
    return "" if tensor.is_contiguous() else f" strides {list(tensor.stride())}"


def _require_usable(module: nn.Module) -> None:
    """Raise UsageError for tensors that a commit cannot carry, or not yet."""
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise UsageError(f"{name} has no shape yet: call the model on a batch before join")
        if tensor.is_meta:
            raise UsageError(f"{name} is on the meta device: give the model its values before join")
        if tensor.requires_grad and tensor.is_complex():
            raise UsageError(f"{name} is {tensor.dtype}: complex parameters cannot be committed")
        if tensor.requires_grad and _overlaps(tensor):
            raise UsageError(f"{name} is an expanded tensor: make it a parameter with .clone()")


def _overlaps(tensor: torch.Tensor) -> bool:
    """Whether several of its elements are one place in memory."""
    pairs = zip(tensor.stride(), tensor.shape, strict=True)
    return any(stride == 0 and size > 1 for stride, size in pairs)
