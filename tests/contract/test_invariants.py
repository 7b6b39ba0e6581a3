"""What each synchronization scheme promises, checked on runs with jitter on both engines."""

from itertools import pairwise

import numpy as np
import pytest

from adsp_mpi.core.models import MODELS
from adsp_mpi.core.models.adacomm import next_local_steps
from tests.contract.cases import BATCH_SIZE, CASES, WORKERS
from tests.contract.engines import Run

ROUND_MODELS = [
    "bsp", "fixed-adacomm", "adacomm", "batchtune-bsp", "batchtune-fixed-adacomm", "wbsp",
]  # fmt: skip


def of(*names: str) -> pytest.MarkDecorator:
    """The models that a test is about."""
    return pytest.mark.parametrize("name", names)


def test_every_model_has_its_run() -> None:
    assert CASES.keys() == MODELS.keys()


@of("adsp", "adsp-fixed", "adsp-plus", "asp", "wbsp")
def test_who_never_waits_never_waits(run: Run) -> None:
    """ADSP+ stands still for its snapshots, a run under MPI for its checkpoints."""
    reasons = {reason for waits in run.tables("waits") for reason in waits["reason"]}
    checkpoints = {b"checkpoint"} if run.engine == "mpi" else set()
    pauses = {"adsp-plus": {b"snapshot"}, "asp": checkpoints}
    assert reasons == pauses.get(run.name, set())


@of("ssp")
def test_ssp_holds_its_bound_at_every_instant(run: Run) -> None:
    steps = run.tables("steps")
    ends = [s["start_s"] + (s["compute_s"] + s["sleep_s"]) for s in steps]
    waited = 0
    for mine in steps:
        for k, start in enumerate(mine["start_s"]):
            done = [int(np.searchsorted(end, start + run.clock_s, "right")) for end in ends]
            assert mine["seen"][k] <= min(done)
            assert k - min(done) < 3
            waited += k - min(done) == 2
    assert waited > 20, "the bound was never reached, so nothing was tested"


@of(*ROUND_MODELS)
def test_rounds_never_mix(run: Run) -> None:
    """Every commit of a round is done before the next round's first one begins, and pulled too.

    A commit's lag counts from its worker's last pull: that they are 0, 1, 2 and 3 says that
    all pulled the same version, the one with every commit of the round before.
    """
    commits, pulls = run.tables("commits"), run.tables("pulls")
    rounds = min(map(len, commits))
    assert rounds > 10
    for k in range(rounds):
        assert {int(c["number"][k]) for c in commits} == {k + 1}
        assert sorted(c["staleness"][k] for c in commits) == list(range(WORKERS))
        begun_s = [c["begun_s"][k + 1] for c in commits if len(c) > k + 1]
        if begun_s:
            done_s = [c["done_s"][k] for c in commits]
            pulled_s = [p["start_s"][k] + p["duration_s"][k] for p in pulls]
            assert max(done_s + pulled_s) <= min(begun_s) + run.clock_s
    for rows in pulls:
        assert (rows["keep_local"] == (run.name == "wbsp")).all()


@of("wbsp")
def test_who_would_wait_brings_extra_steps(run: Run) -> None:
    fast, slow = (run.table(f"workers/{w}/commits")["steps"] for w in (0, 3))
    assert fast.mean() > 3 and slow.mean() < 3


@of("fixed-adacomm", "batchtune-fixed-adacomm", "bsp", "batchtune-bsp")
def test_every_commit_of_a_round_holds_the_same_steps(run: Run) -> None:
    local_steps = {"fixed-adacomm": 3, "batchtune-fixed-adacomm": 2}.get(run.name, 1)
    for commits in run.tables("commits"):
        assert set(commits["steps"]) == {local_steps}


@of("adacomm")
def test_adacomms_tau_follows_its_formula_and_changes_for_all_in_one_round(run: Run) -> None:
    told, first_loss = run.table("ps/adacomm"), run.table("ps/evals")["loss"][0]
    taus = [6, *told["local_steps"].astype(int)]
    assert len(taus) > 5 and taus[-1] < 6
    for before, after, loss in zip(taus, taus[1:], told["loss"], strict=False):
        assert after == next_local_steps(before, 6, loss, first_loss)
    commits = run.tables("commits")
    used = [{int(c["steps"][k]) for c in commits} for k in range(min(map(len, commits)))]
    mixed = [k for k, steps in enumerate(used) if len(steps) > 1]
    assert set(mixed) <= late_plans(run), "all workers change tau in the same round"
    sequence = [steps.pop() for k, steps in enumerate(used) if k not in mixed]
    assert sequence[0] == 6 and sequence == sorted(sequence, reverse=True)
    assert len(set(sequence)) >= 3 and set(sequence) <= set(taus)


def late_plans(run: Run) -> set[int]:
    """The rounds that rank 0 says some workers may have begun before it wrote their plan."""
    table = run.recording.tables.get("ps/late_plans")
    return set() if table is None else {int(k) for k in table["from_round"]}


@of("batchtune-bsp", "batchtune-fixed-adacomm")
def test_the_total_batch_never_changes(run: Run) -> None:
    steps = run.tables("steps")
    sizes = np.array([s["batch_size"][: min(map(len, steps))] for s in steps])
    assert late_plans(run) or (sizes.sum(axis=0) == BATCH_SIZE * WORKERS).all()
    assert sizes[0, -1] > BATCH_SIZE > sizes[3, -1]


@of("adsp")
def test_adsps_commits_stay_together(run: Run) -> None:
    """Also while worker 1 is four times slower."""
    targets, commits = run.table("ps/targets"), run.tables("commits")
    assert (targets["phase"] == b"search").sum() >= 3
    momentum = targets["implicit_momentum"][1:]
    assert ((momentum > 0) & (momentum < 1)).all()
    for now, after in pairwise(targets):
        counts = [int((c["begun_s"] <= after["time_s"]).sum()) for c in commits]
        assert max(counts) <= now["commit_target"]
        assert max(counts) - min(counts) <= now["commit_rate"]


@of("adsp-plus")
def test_trials_start_from_one_snapshot_and_do_not_count(run: Run) -> None:
    evals, targets, trials = (run.table(f"ps/{name}") for name in ("evals", "targets", "trials"))
    assert list(targets["phase"][:3]) == [b"trial", b"trial", b"train"]
    first = evals["loss"][0]
    assert (evals["loss"] == first).sum() >= 4, "the snapshot is judged after every restore"
    assert list(trials["commit_rate"]) == [1, 3]
    best = trials["commit_rate"][np.argmin(trials["loss"])]
    assert set(targets["commit_rate"][2:]) == {best}
    assert evals["loss"][-1] < first and not evals["trial"][-1]


@of("asp", "adsp-fixed", "fixed-adacomm")
def test_every_worker_takes_exactly_its_steps(run: Run) -> None:
    """Asynchronous models commit what is left at the end; rounds that do not close count not."""
    limit = run.recording.config.stop.max_steps
    committed = limit // 3 * 3 if run.name == "fixed-adacomm" else limit
    for steps, commits in zip(run.tables("steps"), run.tables("commits"), strict=True):
        assert len(steps) == limit
        assert commits["steps"].sum() == committed
