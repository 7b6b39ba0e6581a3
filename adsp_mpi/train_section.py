"""The section `[train]` of the configuration: the local step of a task and its data."""

from dataclasses import dataclass
from typing import Any, Sequence

from adsp_mpi.core.compression import make_codec
from adsp_mpi.layers import Layer, Setting
from adsp_mpi.learn.partition import parse_partition
from adsp_mpi.options import TASK, hint, option

SGD = "sgd"
"""The default optimizer; without options it is a step of this program's own, w <- w - eta' g."""


@dataclass(frozen=True)
class TrainSection:
    batch_size: int = option(32, "samples per step", low=1, used_by=TASK)
    local_lr: float = option(0.1, "eta', learning rate of a local step", low=0)
    lr_decay: float = option(
        1.0, "factor on local_lr every lr_decay_steps own steps", low=0, high=1
    )
    lr_decay_steps: float = option(1000.0, "own steps over which lr_decay acts once", low=1)
    optimizer: str = option(SGD, "sgd, adamw, or another of torch.optim", used_by=TASK)
    optimizer_options: dict[str, Any] = option(  # noqa: RUF009  (it makes a new dict each time)
        {}, "as in {weight_decay = 0.05, betas = [0.9, 0.95]}", used_by=TASK
    )
    schedule: str = option(
        "none",
        "factor on local_lr over the run: none, or cosine, from 1 to 0",
        choices=("none", "cosine"),
    )
    warmup: float = option(0.0, "share of the run in which local_lr rises from 0", low=0, high=1)
    grad_clip: float = option(
        0.0, "largest norm of a step's gradient; 0: no limit", low=0, used_by=TASK
    )
    accumulate: int = option(
        1, "parts of a step's batch that are computed one by one", low=1, used_by=TASK
    )
    amp: str = option(
        "none",
        "none, or bf16: losses are computed in bfloat16",
        choices=("none", "bf16"),
        used_by=TASK,
    )
    loaders: int = option(
        0, "processes beside each rank that read a Dataset ahead; 0: none", low=0, used_by=TASK
    )
    compress: str = option(
        "none",
        "commits and answers: none, float16, bfloat16, or topk:SHARE of their numbers",
        check=make_codec,
    )
    partition: str = option(
        "shared",
        "shared: dealt to whoever needs some, or in parts: iid, dirichlet:ALPHA by label, blocks; "
        "own: each rank's own files",
        check=parse_partition,
        used_by=TASK,
    )

    @property
    def is_plain_sgd(self) -> bool:
        """Whether the optimizer is this program's own step."""
        return self.optimizer.lower() == SGD and not self.optimizer_options

    @property
    def goes_by_progress(self) -> bool:
        """Whether the learning rate depends on the run's progress."""
        return self.schedule != "none" or self.warmup > 0

    def check(self) -> None:
        """Raise ValueError, which names the key, if torch has no such optimizer or options."""
        if self.is_plain_sgd:
            return
        from adsp_mpi.learn.optimizers import OPTIMIZERS, make_optimizer, options_known

        name = self.optimizer.lower()
        if name not in OPTIMIZERS:
            raise ValueError(f"train.optimizer = {self.optimizer!r}{hint(name, OPTIMIZERS)}")
        key, known = "train.optimizer_options", options_known(name)
        for option_name in self.optimizer_options:
            if option_name == "lr":
                raise ValueError(f"{key}: the learning rate is train.local_lr")
            if option_name not in known:
                raise ValueError(f"{key}: {name} has no {option_name!r}{hint(option_name, known)}")
        try:
            make_optimizer(name, self.local_lr, self.optimizer_options)
        except (ValueError, TypeError, RuntimeError, AssertionError) as error:
            raise ValueError(f"{key}: {name}: {error}") from error


def usual_rate_layer(old: TrainSection, layers: Sequence[Layer]) -> Layer:
    """The learning rate usual for a newly chosen optimizer, where none is given for it.

    A layer gives `local_lr` for the optimizer that it chooses itself, or else for the one that the
    layers below it choose. Below all layers is `old`.
    """
    chosen, usual = old.optimizer.lower(), []
    for layer in layers:
        own = {s.key: s for s in layer if s.section == "train"}
        optimizer = own.get("optimizer")
        if optimizer and str(optimizer.value).lower() != chosen:
            chosen = str(optimizer.value).lower()
            usual = [Setting("train", "local_lr", usual_rate(chosen), optimizer.source)]
        if "local_lr" in own:
            usual = []
    return usual


def usual_rate(name: str) -> float:
    """The learning rate with which torch makes the optimizer `name`; for sgd that of this section.

    For an unknown name, which `check` refuses, that of sgd.
    """
    if name == SGD:
        return TrainSection.local_lr
    from adsp_mpi.learn.optimizers import default_rate

    return default_rate(name, TrainSection.local_lr)
