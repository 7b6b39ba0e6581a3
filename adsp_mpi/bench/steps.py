"""Part `step`: the worker loop's time over a bare PyTorch loop's, and how long commits block."""

import numpy as np

from adsp_mpi.bench.bare import BareLoop
from adsp_mpi.bench.findings import Bar, Findings
from adsp_mpi.bench.part import Bench
from adsp_mpi.bench.runs import configured, run, trace_of
from adsp_mpi.learn.tasks import make_task

STEPS = 700
WARM_UP = 100
TURNS = 15
SLOWER = 1.03
BLOCKED = 0.005
QUICKSTART_S = 20.0


def measure(bench: Bench) -> Findings:
    """Collective."""
    return quickstart(bench, against_bare(bench))


def against_bare(bench: Bench) -> Findings:
    """Worker 0 alone, alternating with the bare loop; no injected speed, with a trace."""
    world = bench.world
    config = configured(
        {"hetero": {"profile": "none", "step_time_s": 0.0}},
        {"stop": {"target_loss": 0.0, "max_seconds": 0.0, "max_steps": STEPS + WARM_UP}},
        {"eval": {"period_s": 1000.0}},
    )
    task = make_task(config.task.name, {})
    bare = BareLoop(task, config.train.batch_size, config.train.local_lr)
    pairs = []
    for turn in range(TURNS):
        bench.tell(f"the worker loop and the bare loop, turn {turn + 1} of {TURNS}")
        folder = run(bench, 2, config)
        bare_s = 0.0
        if world.worker == 0:
            bare.step_s(WARM_UP)
            bare_s = bare.step_s(STEPS)
        bare_s = world.allgather(bare_s)[1]
        with trace_of(folder) as trace:
            starts_s = trace.table("workers/0/steps")["start_s"][WARM_UP:]
        pairs.append((float(starts_s[-1] - starts_s[0]) / (len(starts_s) - 1), bare_s))
    ratios = [own / bare for own, bare in pairs]
    own_ms, bare_ms = (1e3 * float(np.median(side)) for side in zip(*pairs, strict=True))
    ratio = float(np.median(ratios))
    lines = [
        f"a step of {config.task.name}, batch {config.train.batch_size}: worker {own_ms:.3f} ms, "
        f"bare PyTorch {bare_ms:.3f} ms, ratio {ratio:.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
    ]
    row = {"worker_ms": own_ms, "bare_ms": bare_ms, "ratios": ratios}
    return Findings(lines, [row], [Bar("worker loop over bare PyTorch, tracing on", ratio, SLOWER)])


def quickstart(bench: Bench, found: Findings) -> Findings:
    """Measure the share of its time for which commits block a worker of the quickstart."""
    bench.tell("the quickstart")
    world = bench.world
    config = configured({"stop": {"target_loss": 0.0, "max_seconds": QUICKSTART_S}})
    with trace_of(run(bench, world.comm.size, config)) as trace:
        end_s = trace.meta["end_s"]
        blocked = [
            float(trace.table(f"workers/{worker}/commits")["blocked_s"].sum()) / end_s
            for worker in trace.workers
        ]
    found.lines.append(
        f"blocked by commits in the quickstart, {world.num_workers} workers: "
        f"{np.mean(blocked):.3%} of the time, at most {max(blocked):.3%}"
    )
    found.rows.append({"blocked_shares": blocked})
    what = "blocked share of the quickstart's most blocked worker"
    found.bars.append(Bar(what, 100 * max(blocked), 100 * BLOCKED, unit="%"))
    return found
