"""What a commit does to the global model, and what rank 0 adds to it between commits."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adsp_mpi.core.commit_rule import CommitRule, Landing, OuterMomentum, Sum, make_rule
from adsp_mpi.core.models import MODELS, make_model, model_class
from adsp_mpi.core.models.rounds import RoundModel
from adsp_mpi.errors import AdspError, UsageError
from adsp_mpi.runtime.resume import resumed_config
from adsp_mpi.sim.run import simulate
from tests.unit.buffered_scheme import Buffer, Buffered, begun
from tests.unit.constant_task import RATE
from tests.unit.simulated import Played, config_of, play, profile_of
from tests.unit.test_sim_resume import after, contents, make_config

CONSTANT = {"name": "tests.unit.constant_task:make"}


def vector(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def torch_outer(landed: list[float], beta: float, nesterov: bool) -> list[float]:
    """Where torch's SGD at rate 1 stands after each step with the gradient -D."""
    model = torch.zeros(1, requires_grad=True)
    sgd = torch.optim.SGD([model], lr=1.0, momentum=beta, nesterov=nesterov)
    places = []
    for distance in landed:
        model.grad = torch.tensor([-distance])
        sgd.step()
        places.append(model.item())
    return places


def test_nesterov_by_hand() -> None:
    """D = 4, 2, 0 at beta 0.5: m = 4, 4, 2, and rank 0 adds half of each."""
    rule, model = make_rule("nesterov:0.5"), vector(1)
    rule.begin(model)
    kicks = []
    for distance in (4, 2, 0):
        model += distance
        kicks.append(float(rule.outer_step(model)[0]))
        model += rule.state_dict()["previous"] - model
    assert kicks == [2, 2, 1] and model == 1 + 4 + 2 + 2 + 2 + 0 + 1


def test_plain_momentum_by_hand() -> None:
    """D = 4, 2, 0 at beta 0.5: m = 4, 4, 2; the model moves by m, of which D is there already."""
    rule, model = make_rule("momentum:0.5"), vector(1)
    rule.begin(model)
    kicks = []
    for distance in (4, 2, 0):
        model += distance
        kick = rule.outer_step(model)
        kicks.append(float(kick[0]))
        model += kick
    assert kicks == [0, 2, 2] and model == 1 + 4 + 4 + 2


def test_what_lands_while_the_kick_is_added_counts_the_next_time() -> None:
    rule, model = make_rule("nesterov:0.5"), vector(0)
    rule.begin(model)
    model += 4
    kick = rule.outer_step(model)
    model += 8  # lands before the kick does
    model += kick
    assert rule.outer_step(model) == 0.5 * (0.5 * 4 + 8)


@settings(max_examples=50)
@given(st.lists(st.integers(-64, 64), min_size=1, max_size=8), st.booleans())
def test_it_is_torchs_sgd_on_what_landed(sixty_fourths: list[int], nesterov: bool) -> None:
    landed = [number / 64 for number in sixty_fourths]
    rule, model, places = OuterMomentum(0.5, nesterov), vector(0), []
    rule.begin(model)
    for distance in landed:
        model += np.float32(distance)
        model += rule.outer_step(model)
        places.append(float(model[0]))
    assert places == torch_outer(landed, 0.5, nesterov)


def steps_landed(run: Played, from_s: float, to_s: float) -> int:
    """Local steps in the commits that landed after `from_s` and until `to_s`."""
    landed = 0
    for commits in run.tables("commits"):
        inside = (commits["done_s"] > from_s) & (commits["done_s"] <= to_s)
        landed += int(commits["steps"][inside].sum())
    return landed


def final_model(run: Played) -> set[float]:
    state = torch.load(run.folder / "model.pt", weights_only=True)
    return {float(number) for tensor in state.values() for number in tensor.flatten()}


SETTINGS: dict[str, dict[str, Any]] = {
    "task": CONSTANT,
    "train": {"local_lr": RATE, "batch_size": 4},
    "eval": {"period_s": 4.0},
    "stop": {"max_seconds": 74.0},
}
PERIOD_S = 10.0


@pytest.mark.parametrize("outer", ["none", "nesterov:0.5", "momentum:0.5"])
@pytest.mark.parametrize(
    ("model", "compress", "step_times_s"),
    [
        ("adsp-fixed", "none", [1.0]),
        ("adsp-fixed", "none", [1.0, 1.7, 3.1]),
        ("asp", "none", [1.0, 1.7, 3.1]),
        ("ssp", "float16", [1.0, 1.7, 3.1]),
        ("adsp", "none", [1.0, 1.7, 3.1]),
    ],
)
def test_a_run_is_torchs_sgd_on_the_commits_of_each_period(
    tmp_path: Path, outer: str, model: str, compress: str, step_times_s: list[float]
) -> None:
    """Every parameter is what torch makes of the steps that landed in each check period, and of
    those after the last one; and all commits are counted."""
    run = play(
        tmp_path, model, profile_of(step_times_s, 0.3), **SETTINGS | {
            "sync": {"check_period_s": PERIOD_S, "outer": outer, "global_lr": 1.0},
            "train": {**SETTINGS["train"], "compress": compress},
        },
    )  # fmt: skip
    ends = [PERIOD_S * k for k in range(8)]
    landed = [-RATE * steps_landed(run, *period) for period in pairwise(ends)]
    rest = -RATE * steps_landed(run, ends[-1], np.inf)
    name, _, beta = outer.partition(":")
    outer_part = torch_outer(landed, float(beta), name == "nesterov")[-1] if beta else sum(landed)
    assert all(landed)
    assert final_model(run) == {outer_part + rest}
    assert run.table("ps/evals")["landed"][-1] == sum(map(len, run.tables("commits")))
    events = run.table("events")
    steps = events["time_s"][events["kind"] == b"outer step"].tolist()
    assert steps == (ends[1:] if beta else []), "at the end of every check period"


def test_every_trial_begins_with_the_momentum_of_the_snapshot(tmp_path: Path) -> None:
    """Three trials at one rate from one snapshot end at one loss."""
    run = play(
        tmp_path, "adsp-plus", profile_of([1.0, 1.0]), **SETTINGS | {
            "sync": {
                "check_period_s": PERIOD_S, "outer": "nesterov:0.5", "trial_rates": [2, 2, 2],
                "trial_periods": 2,
            },
        },
    )  # fmt: skip
    losses = run.table("ps/trials")["loss"].tolist()
    plain = 1e4 - 5 * RATE * 2 * PERIOD_S
    assert len(losses) == 3 and len(set(losses)) == 1
    assert losses[0] < plain, "and the momentum counts"


@pytest.mark.parametrize("name", MODELS)
def test_models_in_rounds_refuse_it_in_one_line(name: str) -> None:
    if not issubclass(model_class(name), RoundModel):
        assert make_model(name, {"outer": "nesterov:0.5"}).commit_rule().has_outer_step
        return
    with pytest.raises(ValueError, match=r"sync\.outer is always 'none' here: .* round") as refused:
        make_model(name, {"outer": "nesterov:0.5"})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("outer", ["nesterov", "nesterov:1", "nesterov:x", "sgd:0.5", "none:0.5"])
def test_what_is_no_outer_step_is_an_error_that_names_what_there_is(outer: str) -> None:
    with pytest.raises(ValueError, match=r"nesterov:BETA and momentum:BETA .* such as nesterov"):
        make_rule(outer)


def test_a_rule_goes_on_from_its_state_and_from_no_others() -> None:
    rule, model = make_rule("nesterov:0.5"), vector(1, 2)
    rule.begin(model)
    rule.outer_step(model + 1)
    saved = rule.state_dict()
    other = make_rule("nesterov:0.5")
    other.begin(vector(0, 0))
    other.load_state_dict(saved)
    assert other.outer_step(model + 3).tolist() == rule.outer_step(model + 3).tolist()
    with pytest.raises(ValueError, match=r"Sum keeps \[\], not \['momentum', 'previous'\]"):
        Sum().load_state_dict(saved)


def test_sum_adds_and_has_nothing_to_remember() -> None:
    rule, model = make_rule("none"), vector(1, 2)
    rule.begin(model)
    rule.apply(model, vector(0.5, -4), Landing(worker=0, lag=3))
    assert model.tolist() == [1.5, -2] and rule.state_dict() == {}
    assert type(rule) is Sum and not rule.has_outer_step and issubclass(Sum, CommitRule)


BUFFERED = "tests.unit.buffered_scheme:Buffered"


@pytest.mark.parametrize("buffer", [1, 2, 4])
def test_a_rule_that_is_no_sum_is_one_class_in_the_file_of_its_scheme(
    tmp_path: Path, buffer: int
) -> None:
    """The model is the means of every `buffer` commits in the order in which they landed."""
    sync = {"local_steps": 3, "buffer": buffer, "global_lr": 1.0}
    run = play(tmp_path, BUFFERED, profile_of([1.0, 1.7, 3.1], 0.3), **SETTINGS | {"sync": sync})
    rows = np.sort(np.concatenate(run.tables("commits")), order="done_s")
    whole = len(rows) // buffer * buffer
    assert len(rows) > 40
    assert final_model(run) == {-RATE * float(rows["steps"][:whole].sum()) / buffer}


def test_it_goes_on_from_a_checkpoint_with_its_buffer_half_full(tmp_path: Path) -> None:
    sync = {"check_period_s": 1.5, "buffer": 5}
    whole = tmp_path / "whole"
    simulate(make_config(whole, BUFFERED, sync=sync), whole)
    half_full = 0
    for looks in (53, 54, 55, 56):
        folder = tmp_path / f"cut-{looks}"
        simulate(make_config(folder, BUFFERED, sync=sync), folder, stopped=after(looks))
        half_full += begun[-1].state["count"][0] > 0
        simulate(resumed_config(str(folder)), folder)
        assert contents(folder) == contents(whole)
    assert half_full


@dataclass(frozen=True)
class Careless(Buffered):
    """Keeps a plain number from the start (`buffer` 1), or from the first commit on."""

    def commit_rule(self) -> CommitRule:
        return CarelessRule(self.buffer == 1)


class CarelessRule(CommitRule):
    def __init__(self, from_the_start: bool) -> None:
        super().__init__()
        self._from_the_start = from_the_start

    def begin(self, values: np.ndarray) -> None:
        self.state = {"count": 0 if self._from_the_start else np.zeros(1)}  # type: ignore[dict-item]

    def apply(self, values: np.ndarray, update: np.ndarray, landing: Landing) -> None:
        self.state["count"] = int(np.sum(self.state["count"])) + 1  # type: ignore[assignment]


@pytest.mark.parametrize("buffer", [1, 2])
def test_a_state_that_is_no_array_is_one_line(tmp_path: Path, buffer: int) -> None:
    sync = {"buffer": buffer, "check_period_s": 1.5}
    config = make_config(tmp_path, "tests.unit.test_commit_rule:Careless", sync=sync)
    told = r"CarelessRule\.state\['count'\] is of type int: .*np\.zeros\(1\)$"
    with pytest.raises(AdspError, match=told):
        simulate(config, tmp_path)


@pytest.mark.parametrize("setting", [{"run": {"servers": 3}}, {"train": {"compress": "float16"}}])
def test_what_such_a_rule_cannot_do_is_refused_in_one_line(setting: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"go whole, as they are, to one server") as refused:
        config_of(BUFFERED, **setting)
    assert "\n" not in str(refused.value)


def test_a_rule_of_its_own_and_an_outer_step_do_not_go_together() -> None:
    with pytest.raises(ValueError, match=r"'nesterov:0\.5': Buffered has a commit rule of its own"):
        make_model(BUFFERED, {"outer": "nesterov:0.5"})


def test_the_lag_counts_the_commits_of_others_since_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lags: list[tuple[int, int]] = []
    apply = Buffer.apply

    def note(rule: Buffer, values: np.ndarray, update: np.ndarray, landing: Landing) -> None:
        lags.append((landing.worker, landing.lag))
        apply(rule, values, update, landing)

    monkeypatch.setattr(Buffer, "apply", note)
    run = play(tmp_path, BUFFERED, profile_of([1.0, 2.4]), stop={"max_seconds": 7.8})
    assert [lag for worker, lag in lags if worker == 1] == [2, 2, 3]
    for worker, commits in enumerate(run.tables("commits")):
        assert commits["staleness"].tolist() == [lag for w, lag in lags if w == worker]
