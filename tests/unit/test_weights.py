"""The verb `weights`: the model of a checkpoint as a state_dict."""

import json
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest
import torch
from torch import nn

import adsp_mpi
from adsp_mpi.__main__ import main
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.tensor_table import state_dict_of
from adsp_mpi.runtime.checkpoint_files import SERVER, load, save, whole_checkpoints
from adsp_mpi.sim.run import simulate
from adsp_mpi.tools.weights import write_weights
from tests.unit.simulated import config_of, play, play_loop, profile_of


class Counting(nn.Module):
    """An evaluation gives it another buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.register_buffer("count", torch.tensor(0))

    def forward(self) -> torch.Tensor:
        self.count = self.count + 1
        return self.weight


class Summing(nn.Module):
    """Its state_dict has what is no parameter or buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.register_state_dict_post_hook(
            lambda module, state, prefix, _: state.update(sum=state["weight"].sum())
        )


class Rich(nn.Module):
    """A tied weight, a frozen bfloat16 layer, batch norm, channels_last, float64, a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(5, 4)
        self.norm = nn.BatchNorm1d(4)
        self.conv = nn.Conv2d(2, 3, 2).to(memory_format=torch.channels_last)
        self.double = nn.Linear(3, 2).double()
        self.frozen = nn.Linear(2, 2).bfloat16().requires_grad_(False)
        self.out = nn.Linear(4, 5, bias=False)
        self.out.weight = self.words.weight
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("cache", torch.ones(3), persistent=False)
        self.register_buffer("mean", torch.ones(2, 3))

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.out(self.norm(self.words(numbers)))


MODULES: dict[str, Callable[[], nn.Module]] = {
    "rich": Rich,
    "bfloat16": lambda: Rich().bfloat16(),
    "several": lambda: nn.ModuleList([Rich(), nn.Linear(2, 2)]),
    "normed": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)),
}


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("name", MODULES)
def test_table_and_vector_give_the_modules_own_state_dict(name: str, gradients: bool) -> None:
    module = MODULES[name]()
    flat = FlatModel(module, gradients=gradients)
    flat.load(torch.linspace(-1, 1, flat.num_elements))
    table = json.loads(json.dumps(flat.table))
    made = state_dict_of(table, flat.values.numpy().copy(), flat.state_at_home)
    own = module.state_dict()
    assert list(made) == list(own)
    for key, value in own.items():
        assert made[key].dtype == value.dtype and torch.equal(made[key], value), key
        assert made[key].stride() == value.stride() or flat.has_copies
    if name == "rich":
        assert made["out.weight"] is made["words.weight"]
    assert all(value.untyped_storage().nbytes() < 400 for value in made.values())
    MODULES[name]().load_state_dict(made)


def new_model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))


def test_a_buffer_that_was_replaced_is_written_as_it_is_now() -> None:
    module = Counting()
    flat = FlatModel(module)
    module()
    assert flat.state_at_home == {"count": torch.tensor(1)}


def test_what_a_module_computes_for_its_state_dict_is_in_no_table() -> None:
    flat = FlatModel(Summing())
    assert flat.table[-1] == {"name": "sum"} and not flat.state_at_home
    with pytest.raises(KeyError, match="sum"):
        state_dict_of(flat.table, flat.values.numpy(), flat.state_at_home)


def fine_tuning() -> None:
    """A loop whose model has a frozen layer."""
    model = new_model()
    model[0].requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 0.01)
    for x in adsp_mpi.join(model, optimizer, evaluate=lambda module: 1.0)([torch.randn(8, 2)]):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()


def test_a_loops_checkpoint_becomes_a_file_that_its_model_loads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also its frozen weights, though no commit and no vector holds them."""
    play_loop(monkeypatch, tmp_path, fine_tuning, checkpoint={"period_s": 2.0, "keep": 9})
    final = torch.load(tmp_path / "model.pt", weights_only=True)
    for path in tmp_path.glob("*.*"):
        path.unlink()  # what a run that is killed does not leave
    main(["weights", str(tmp_path)])
    told = capsys.readouterr().out.splitlines()
    last = whole_checkpoints(tmp_path)[-1]
    out = tmp_path / "weights.pt"
    assert told == [
        f"{out}: {len(final)} tensors, 26 numbers, of {last}",
        f'load it with model.load_state_dict(torch.load("{out}", weights_only=True))',
    ]
    state = torch.load(out, weights_only=True)
    model = new_model()
    model.load_state_dict(state)
    assert torch.equal(model[0].weight, final["0.weight"]), "the frozen weights of rank 0"
    holder = load(last / SERVER)["engine"]["exchange"]["values"]
    assert len(holder) == 16 and model[2].bias.item() == holder[9]
    write_weights([str(tmp_path), "--checkpoint", "2", "--out", str(tmp_path / "second.pt")])
    second = torch.load(tmp_path / "second.pt", weights_only=True)
    assert not torch.equal(second["2.weight"], state["2.weight"])
    assert torch.equal(second["0.weight"], state["0.weight"])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a task with two checkpoints."""
    folder = tmp_path_factory.mktemp("saved")
    config = config_of(
        "asp", task={"name": "tests.unit.constant_task:make"}, simulate={"workers": 2},
        stop={"max_seconds": 6.0}, checkpoint={"period_s": 4.0},
    )  # fmt: skip
    simulate(config, folder)
    return folder


@pytest.fixture
def run(saved: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be damaged."""
    return shutil.copytree(saved, tmp_path / "run")


def refused(*arguments: object, kind: type[AdspError] = AdspError) -> str:
    with pytest.raises(AdspError) as error:
        write_weights([str(argument) for argument in arguments])
    assert type(error.value) is kind and "\n" not in str(error.value)
    return str(error.value)


def test_a_tasks_model_is_the_sum_of_what_has_landed(run: Path) -> None:
    write_weights([str(run)])
    state = torch.load(run / "weights.pt", weights_only=True)
    vector = load(whole_checkpoints(run)[-1] / SERVER)["engine"]["exchange"]["values"]
    assert len(set(vector)) == 1 and vector[0] < 0
    assert all((value == float(vector[0])).all() for value in state.values())
    nn.Linear(4, 1).load_state_dict(state)


def test_without_a_checkpoint_one_line_says_so(run: Path, tmp_path: Path) -> None:
    assert "no checkpoint in" in refused(tmp_path / "nowhere")
    assert "has 1, 2" in refused(run, "--checkpoint", 7, kind=UsageError)
    assert "has 1, 2" in refused(run, "--checkpoint", "last", kind=UsageError)


def test_a_damaged_checkpoint_is_passed_over_unless_it_is_asked_for(run: Path) -> None:
    older, newest = whole_checkpoints(run)
    path = newest / SERVER
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert str(older) in write_weights([str(run)])
    assert "not a whole checkpoint file" in refused(run, "--checkpoint", 2)
    (older / SERVER).unlink()
    assert "is damaged" in refused(run)


def rewrite(run: Path, **changed: Any) -> None:
    """The newest checkpoint again, with other contents, or without those that are None."""
    path = whole_checkpoints(run)[-1] / SERVER
    state = load(path) | changed
    save(path, {name: value for name, value in state.items() if value is not None})


def test_a_checkpoint_of_an_older_version_is_refused_with_what_to_do(run: Path) -> None:
    rewrite(run, table=None)
    assert "an older adsp_mpi wrote it" in refused(run)


@pytest.mark.parametrize(
    "row",
    [
        {"name": "w", "dtype": "float32", "shape": [5], "offset": 1, "strides": [1]},
        {"name": "w", "dtype": "load", "shape": [5], "offset": 0, "strides": [1]},
        {"name": "w"},
    ],
)
def test_a_table_that_fits_no_vector_is_refused(run: Path, row: dict[str, Any]) -> None:
    rewrite(run, table=[row])
    wanted = "damaged table" if "dtype" in row else "at-home.pt does not hold w"
    assert wanted in refused(run)


def test_a_problem_without_torch_has_no_state_dict(tmp_path: Path) -> None:
    play(tmp_path, "asp", profile_of([1.0]), stop={"max_seconds": 3.0})
    assert "no model of torch" in refused(tmp_path)


def test_a_file_that_cannot_be_written_is_refused(run: Path, tmp_path: Path) -> None:
    assert "ends in .pt or .safetensors" in refused(run, "--out", "w.npy", kind=UsageError)
    assert "cannot be written" in refused(run, "--out", tmp_path / "no folder" / "w.pt")
    (run / "checkpoints" / "at-home.pt").write_bytes(b"no zip")
    assert "at-home.pt is damaged" in refused(run)
