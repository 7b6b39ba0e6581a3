"""The configuration of a run: dataclasses, read from TOML with strict keys, printed as TOML.

Precedence, lowest first: the defaults below, a preset, `--config FILE`, `--set section.key=value`
and the short options. `[task]` and `[sync]` also hold the options of the task and of the
synchronization model that they name.
"""

import ast
import difflib
import inspect
import math
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from adsp_mpi.core.compression import Codec, make_codec
from adsp_mpi.core.models import make_model, model_class
from adsp_mpi.core.models.base import SyncModel
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.partition import parse_partition


def key(default: Any, help: str, low: float = -math.inf, high: float = math.inf) -> Any:
    """A configuration key with its help text and the range of its values."""
    return field(default=default, metadata={"help": help, "low": low, "high": high})


@dataclass(frozen=True)
class RunSection:
    seed: int = key(1, "makes every random number of the run", 0)
    out: str = key("", "folder for the trace and the model; empty: runs/<time>-<model>")
    device: str = key("cpu", "cpu, or cuda: ranks share the GPUs of their host in turn")
    threads: int = key(1, "torch threads per rank", 1)
    resume: str = key("", "go on from a run's newest checkpoint: its folder, or auto: that of out")
    spares: int = key(0, "ranks, the last ones, that take a lost worker's place", 0)
    servers: int = key(1, "ranks that share the model between them; rank 0 is one", 1)
    screen: str = key("auto", "auto, live (a terminal view), log (plain lines) or quiet")


@dataclass(frozen=True)
class TaskSection:
    name: str = key("digits-cnn", "a built-in task, or package.module:factory")
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainSection:
    batch_size: int = key(32, "samples per step", 1)
    local_lr: float = key(0.1, "eta', learning rate of a local step", 0)
    lr_decay: float = key(1.0, "factor on local_lr every lr_decay_steps own steps", 0, 1)
    lr_decay_steps: float = key(1000.0, "own steps over which lr_decay acts once", 1)
    compress: str = key(
        "none", "commits and answers: none, float16, bfloat16, or topk:SHARE of their numbers"
    )
    partition: str = key(
        "iid", "iid, dirichlet:ALPHA by label, blocks, or own: each rank's own files"
    )


@dataclass(frozen=True)
class SyncSection:
    model: str = key("adsp", "a synchronization model, or package.module:Class")
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HeteroSection:
    profile: str = key(
        "none", "none, ratio:H, paper, paper:H, a file FILE.toml, or a recorded run to replay"
    )
    step_time_s: float = key(
        0.0,
        "seconds per step of the fastest worker; 0: measured at the start, 1 when simulated",
        0,
    )
    delay_s: float = key(0.0, "seconds added to every commit of every worker", 0)


@dataclass(frozen=True)
class StopSection:
    target_loss: float = key(0.0, "stop when ten evaluations in a row are at or below; 0: none", 0)
    loss_variance: float = key(
        0.0, "stop when the variance of the last ten losses is at or below; 0: never", 0
    )
    max_seconds: float = key(0.0, "stop after this many seconds of training; 0: no limit", 0)
    max_steps: int = key(0, "each worker's number of steps; 0: no limit", 0)


@dataclass(frozen=True)
class EvalSection:
    period_s: float = key(10.0, "seconds between two evaluations of the global model", 0.001)
    samples: int = key(2000, "samples that an evaluation looks at; 0: all", 0)


@dataclass(frozen=True)
class TraceSection:
    flush_s: float = key(2.0, "seconds after which recorded rows are on disk", 0.01)


@dataclass(frozen=True)
class CheckpointSection:
    period_s: float = key(600.0, "seconds between two checkpoints; 0: only when stopped", 0)
    keep: int = key(2, "the newest so many stay", 1)
    keep_every_s: float = key(0.0, "beside them one for every so many seconds stays; 0: none", 0)


@dataclass(frozen=True)
class SimulateSection:
    workers: int = key(18, "number of simulated workers", 1)
    server_bandwidth_mb_s: float = key(
        0.0, "MB/s that commits share fairly at the simulated server; 0: no limit", 0
    )


@dataclass(frozen=True)
class Config:
    """A checked configuration; `sync_model` is the model that its `[sync]` section describes."""

    run: RunSection = RunSection()
    task: TaskSection = field(default_factory=TaskSection)
    train: TrainSection = TrainSection()
    sync: SyncSection = field(default_factory=SyncSection)
    hetero: HeteroSection = HeteroSection()
    stop: StopSection = StopSection()
    eval: EvalSection = EvalSection()
    trace: TraceSection = TraceSection()
    checkpoint: CheckpointSection = CheckpointSection()
    simulate: SimulateSection = SimulateSection()

    @property
    def sync_model(self) -> SyncModel:
        return make_model(self.sync.model, self.sync.options)

    @property
    def codec(self) -> Codec | None:
        """How commits are compressed; None: not at all."""
        return make_codec(self.train.compress)

    def with_values(self, values: dict[str, dict[str, Any]], source: str) -> "Config":
        """A new Config with `values[section][key]` taken over; UsageError names what is wrong."""
        sections = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, table in values.items():
            if name not in sections:
                raise UsageError(f"{source}: unknown section {_hint(name, sections)}")
            if not isinstance(table, dict):
                raise UsageError(f"{source}: {name} is a section, write [{name}]")
            sections[name] = _section_with(sections[name], name, table, source)
        config = Config(**sections)
        try:
            _ = config.sync_model
            if config.codec and config.run.servers > 1:
                raise ValueError("compressed commits go to one server: --compress or --servers")
            parse_partition(config.train.partition)
        except (ValueError, UsageError) as error:
            raise UsageError(f"{source}: {error}") from error
        return config

    def to_toml(self, comments: bool = False) -> str:
        """The whole configuration as TOML, with each key's help where `comments`."""
        return "\n".join(
            _section_toml(section.name, getattr(self, section.name), self, comments)
            for section in fields(self)
        )


def _section_with(section: Any, name: str, table: dict[str, Any], source: str) -> Any:
    own = {f.name: f for f in fields(section) if f.name != "options"}
    changes = {k: _checked(f"{name}.{k}", v, own[k], source) for k, v in table.items() if k in own}
    others = {k: v for k, v in table.items() if k not in own}
    if hasattr(section, "options"):
        return replace(section, **changes, options=_options_with(section, changes, others))
    for entry in others:
        raise UsageError(f"{source}: unknown key {name}.{_hint(entry, own)}")
    return replace(section, **changes)


def _options_with(
    section: TaskSection | SyncSection, changes: dict[str, Any], given: dict[str, Any]
) -> dict[str, Any]:
    """Options of the task or model chosen; of another one's, only those that both have stay."""
    kept = section.options
    if isinstance(section, TaskSection) and changes.get("name", section.name) != section.name:
        kept = {}
    if isinstance(section, SyncSection) and changes.get("model", section.model) != section.model:
        try:
            known = {f.name for f in fields(model_class(changes["model"]))}
        except ValueError:
            known = set()  # the caller reports the unknown model
        kept = {k: v for k, v in kept.items() if k in known}
    return {**kept, **given}


def _hint(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    meant = f" (did you mean {close[0]}?)" if close else ""
    return f"{word}{meant}; there are: {', '.join(known)}"


def _checked(name: str, value: Any, spec: Any, source: str) -> Any:
    wanted = type(spec.default)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        raise UsageError(f"{source}: {name} = {value!r} must be of type {wanted.__name__}")
    low, high = spec.metadata["low"], spec.metadata["high"]
    if wanted in (int, float) and not low <= value <= high:
        bound = f"at least {low:g}" + (f" and at most {high:g}" if high < math.inf else "")
        raise UsageError(f"{source}: {name} = {value} must be {bound}")
    return value


def _section_toml(name: str, section: Any, config: Config, comments: bool) -> str:
    lines = [f"[{name}]"]
    for spec in fields(section):
        if spec.name == "options":
            continue
        note = f"  # {spec.metadata['help']}" if comments else ""
        lines.append(f"{spec.name} = {_toml_value(getattr(section, spec.name))}{note}")
    options = asdict(config.sync_model) if name == "sync" else getattr(section, "options", {})
    meanings = option_meanings(type(config.sync_model)) if name == "sync" and comments else {}
    for entry, value in options.items():
        note = f"  # {meanings[entry]}" if entry in meanings else ""
        lines.append(f"{entry} = {_toml_value(value)}{note}")
    return "\n".join(lines) + "\n"


def option_meanings(model: type[SyncModel]) -> dict[str, str]:
    """The text below each field of a model's class and its bases, on one line."""
    meanings: dict[str, str] = {}
    for cls in reversed(model.__mro__[:-2]):
        body = ast.parse(inspect.getsource(cls)).body[0].body  # type: ignore[attr-defined]
        for field_node, text_node in pairwise(body):
            if isinstance(field_node, ast.AnnAssign) and isinstance(text_node, ast.Expr):
                text = ast.literal_eval(text_node.value)
                meanings[ast.unparse(field_node.target)] = " ".join(text.split())
    return meanings


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return repr(value)


def presets() -> list[str]:
    """Names of the presets that ship with the package."""
    folder = resources.files("adsp_mpi") / "presets"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith("toml"))


def load_preset(config: Config, name: str) -> Config:
    """`config` with a preset's values; UsageError for a name that is none."""
    if name not in presets():
        raise UsageError(f"unknown preset {_hint(name, presets())}")
    text = (resources.files("adsp_mpi") / "presets" / f"{name}.toml").read_text()
    return config.with_values(tomllib.loads(text), f"preset {name}")


def load_file(config: Config, path: str) -> Config:
    """`config` with the values of a TOML file; UsageError for a file that is none."""
    try:
        values = tomllib.loads(Path(path).read_text())
    except OSError as error:
        raise UsageError(f"config file {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"config file {path}: not TOML: {error}") from error
    return config.with_values(values, f"config file {path}")


def parse_setting(text: str) -> dict[str, dict[str, Any]]:
    """`section.key=value` as {section: {key: value}}; a value that is no TOML is a string."""
    name, equals, value = text.partition("=")
    section, dot, entry = name.strip().partition(".")
    if not (equals and dot and section and entry):
        raise UsageError(f"--set {text}: write section.key=value")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    return {section: {entry: parsed}}
