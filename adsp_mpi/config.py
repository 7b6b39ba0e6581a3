"""The configuration of a run: its sections, checked together and printed as TOML.

Precedence, lowest first: the defaults below, a preset, `--config FILE`, and then the command line,
`--set section.key=value` over the short options. `[task]` and `[sync]` also hold the options of
the task and of the scheme that they name.
"""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Collection, Sequence

from adsp_mpi.core.compression import Codec, make_codec
from adsp_mpi.core.models import checked_option, make_model, model_class
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.core.models.rounds import GRADIENTS
from adsp_mpi.errors import UsageError
from adsp_mpi.layers import (
    Layer,
    blamed,
    layer_of,
    options_given,
    section_over,
    toml_value,
    value_of,
)
from adsp_mpi.learn.device_names import parse_devices
from adsp_mpi.options import TASK, hint, option, options_of
from adsp_mpi.stop_section import StopSection
from adsp_mpi.train_section import TrainSection, usual_rate_layer

RECORDED = ("run", "simulate")
"""The uses that write a run's folder."""


@dataclass(frozen=True)
class RunSection:
    seed: int = option(1, "makes every random number of the run", low=0, used_by=TASK)
    out: str = option(
        "",
        "folder for the trace and the model; empty: runs/<time>-<scheme>",
        used_by=("run", "simulate", "doctor", "profile"),
    )
    device: str = option(
        "cpu",
        "auto, cpu, cuda or cuda:N, or one for each worker as cuda,cuda,cpu; auto and cuda deal "
        "the GPUs of a host out to its ranks, and auto is the CPU where there is none",
        check=parse_devices,
        used_by=("run", "profile"),
    )
    threads: int = option(
        1,
        "torch threads per rank; 0: its cores, shared with the ranks beside it",
        low=0,
        used_by=TASK,
    )
    resume: str = option(
        "",
        "resume from the newest checkpoint in this folder of a run; auto: in the folder out",
        used_by=RECORDED,
    )
    models: str = option(
        "pt",
        "format of the models' files: pt, or safetensors, which needs that package",
        choices=("pt", "safetensors"),
        used_by=RECORDED,
    )
    spares: int = option(
        0, "ranks, the last ones, that take a lost worker's place", low=0, used_by=RECORDED
    )
    servers: int = option(
        1, "ranks that share the model between them; rank 0 is one", low=1, used_by=("run",)
    )
    evaluator: bool = option(
        False, "the last rank evaluates the model, in place of rank 0", used_by=("run",)
    )
    screen: str = option(
        "auto",
        "auto, live (a terminal view), log (plain lines) or quiet",
        choices=("auto", "live", "log", "quiet"),
    )


@dataclass(frozen=True)
class TaskSection:
    name: str = option("digits-cnn", "a built-in task, or package.module:factory", used_by=TASK)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SyncSection:
    model: str = option(
        "adsp", "a synchronization scheme, or package.module:Class", check=model_class
    )
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HeteroSection:
    profile: str = option(
        "none",
        "none, ratio:H, paper, paper:H, a file FILE.toml, or a recorded run to replay",
        used_by=RECORDED,
    )
    step_time_s: float = option(
        0.0,
        "seconds per step of the fastest worker; 0: measured at the start, 1 when simulated",
        low=0,
        used_by=RECORDED,
    )
    delay_s: float = option(
        0.0, "seconds added to every commit of every worker", low=0, used_by=RECORDED
    )


@dataclass(frozen=True)
class EvalSection:
    period_s: float = option(10.0, "seconds between two evaluations of the global model", low=0.001)
    samples: int = option(2000, "samples that an evaluation looks at; 0: all", low=0)
    batch_size: int = option(256, "samples that an evaluation computes at once", low=1)


@dataclass(frozen=True)
class TraceSection:
    flush_s: float = option(
        2.0, "seconds after which recorded rows are on disk", low=0.01, used_by=("run",)
    )


@dataclass(frozen=True)
class CheckpointSection:
    period_s: float = option(
        600.0, "seconds between two checkpoints; 0: only at its end", low=0, used_by=RECORDED
    )
    keep: int = option(2, "how many of the newest checkpoints stay", low=1, used_by=RECORDED)
    keep_every_s: float = option(
        0.0,
        "beside the newest, one checkpoint for every this many seconds stays; 0: none",
        low=0,
        used_by=RECORDED,
    )


@dataclass(frozen=True)
class SimulateSection:
    workers: int = option(18, "number of simulated workers", low=1, used_by=("simulate",))
    server_bandwidth_mb_s: float = option(
        0.0,
        "MB/s that commits share fairly at the simulated server; 0: no limit",
        low=0,
        used_by=("simulate", "like"),
    )


@dataclass(frozen=True)
class Config:
    """A checked configuration, one field per section."""

    run: RunSection = RunSection()
    task: TaskSection = field(default_factory=TaskSection)
    train: TrainSection = field(default_factory=TrainSection)
    sync: SyncSection = field(default_factory=SyncSection)
    hetero: HeteroSection = HeteroSection()
    stop: StopSection = field(default_factory=StopSection)
    eval: EvalSection = EvalSection()
    trace: TraceSection = TraceSection()
    checkpoint: CheckpointSection = CheckpointSection()
    simulate: SimulateSection = SimulateSection()

    @property
    def sync_model(self) -> SyncModel:
        """The synchronization scheme that `[sync]` describes."""
        return make_model(self.sync.model, self.sync.options)

    @property
    def codec(self) -> Codec | None:
        """The compression of commits; None if there is none."""
        return make_codec(self.train.compress)

    def commits_gradients(self, plain_sgd: bool) -> bool:
        """Whether commits carry gradients, given whether the workers' steps are plain SGD."""
        scheme = self.sync_model
        if scheme.commits == "auto":
            return not (plain_sgd or self.codec or scheme.global_lr)
        return scheme.commits == GRADIENTS

    def with_values(self, values: dict[str, dict[str, Any]], source: str) -> "Config":
        """This configuration with `values[section][key]`; UsageError names what is wrong."""
        return self.with_layers(layer_of(values, source))

    def with_layers(self, *layers: Layer) -> "Config":
        """This configuration with the settings of `layers` over it, the last layer on top.

        Only the result is checked, so the order of the settings in a layer does not matter. Raises
        UsageError, which names the source of a bad setting.
        """
        sections = {f.name: getattr(self, f.name) for f in fields(self)}
        for setting in (setting for layer in layers for setting in layer):
            if setting.section not in sections:
                name = setting.section
                raise UsageError(f"{setting.source}: unknown section {name}{hint(name, sections)}")
        given = {setting.section for layer in layers for setting in layer}
        layers = (*layers, usual_rate_layer(self.train, layers))
        config = replace(
            self, **{name: section_over(sections[name], name, layers) for name in given}
        )
        task, sync = _task_options(self, layers), _sync_options(self, config.sync.model, layers)
        config = replace(
            config,
            task=replace(config.task, options=task),
            sync=replace(config.sync, options=sync),
        )
        try:
            config.check()
        except ValueError as error:
            raise UsageError(f"{blamed(str(error), layers)}{error}") from error
        return config

    def check(self) -> None:
        """Raise ValueError, which names the keys, if values contradict each other."""
        self.train.check()
        if self.train.goes_by_progress and not (self.stop.max_seconds or self.stop.max_steps):
            raise ValueError(
                "train.schedule and train.warmup go by the run's progress: set stop.max_seconds "
                "or stop.max_steps"
            )
        is_sum = self.sync_model.commit_rule().is_sum
        if self.codec and self.sync_model.commits == GRADIENTS:
            raise ValueError("train.compress: gradients are committed as they are")
        if not is_sum and (self.codec or self.run.servers > 1):
            name = "train.compress" if self.codec else "run.servers"
            raise ValueError(
                f"{name}: commits of {self.sync.model} go whole, as they are, to one server"
            )
        if self.codec and self.run.servers > 1:
            raise ValueError(
                "compressed commits go to one server: train.compress or run.servers, not both"
            )

    def to_toml(
        self,
        comments: bool = False,
        more_of_task: Sequence[str] = (),
        without: Collection[tuple[str, str]] = (),
    ) -> str:
        """The configuration as TOML; with `comments`, each key's help beside it.

        The lines `more_of_task` end the section `[task]`. `without` are (section, key) left out.
        """
        sections = {s.name: _section_toml(s.name, self, comments, without) for s in fields(self)}
        sections["task"] += more_of_task
        return "\n".join("\n".join(lines) + "\n" for lines in sections.values())


def _task_options(old: Config, layers: tuple[Layer, ...]) -> dict[str, Any]:
    """The options given for the task finally chosen; its factory will check them."""
    given = options_given("task", "name", old.task.name, old.task.options, layers)
    return {setting.key: setting.value for setting, for_this_one in given if for_this_one}


def _sync_options(old: Config, model: str, layers: tuple[Layer, ...]) -> dict[str, Any]:
    """The checked options given for `model`, and those given for another scheme that it has too."""
    given = options_given("sync", "model", old.sync.model, old.sync.options, layers)
    settable = options_of(model_class(model))
    return {
        setting.key: value_of(setting, lambda s: checked_option(model, s.key, s.value))
        for setting, for_this_one in given
        if for_this_one or setting.key in settable
    }


def _section_toml(
    name: str, config: Config, comments: bool, without: Collection[tuple[str, str]]
) -> list[str]:
    section = getattr(config, name)
    described = [section, config.sync_model] if name == "sync" else [section]
    lines = [f"[{name}]"]
    for instance in described:
        for key, spec in options_of(type(instance)).items():
            if (name, key) in without:
                continue
            help = spec.metadata.get("help", "")
            note = f"  # {help}" if comments and help else ""
            lines.append(f"{key} = {toml_value(getattr(instance, key))}{note}")
    if name == "task":
        lines += [f"{key} = {toml_value(value)}" for key, value in section.options.items()]
    return lines
