"""Saves a simulation as plain numbers and text, and restores it, to the bit.

Actions booked on the clock are methods of the engine, its links and its workers. They are saved by
name, and only the names listed here are looked up again.
"""

from functools import partial
from typing import Any, Callable

from adsp_mpi.errors import AdspError
from adsp_mpi.sim.engine import Engine
from adsp_mpi.sim.links import Transfer
from adsp_mpi.sim.worker import SimWorker

ENGINE = "engine"
PARTS = LINKS, WAITS, ROSTER = "links", "waits", "roster"
BOOKABLE = {
    ENGINE: {"keep_appointment"},
    WAITS: {"time_is_up"},
    ROSTER: {"dies", "stalls", "continues", "regular_look", "advance"},
    LINKS: {"begin", "arrive"},
    "worker": {"go_on", "end_step", "end_busy_pull", "arrive", "land"},
}
ENGINE_NUMBERS = ("actions", "appointments", "idle_looks", "actions_seen")
BOARD_NUMBERS = ("any_count_awaited", "asked", "seen")


def engine_state(engine: Engine) -> dict[str, Any]:
    """The state for `resume_engine`; only while the engine's steering is settled."""
    saver = _Saver(engine)
    clock, board, links = engine.clock, engine.board, engine.links
    return {
        "clock": [clock.now, clock.at_once, clock.booked],
        "booked": [[*when, saver.action(action)] for *when, action in clock.heap],
        "board": board.data.copy(),
        "looked_at": board.looked_at,
        "changed": sorted(board.changed),
        "board_numbers": {name: getattr(board, name) for name in BOARD_NUMBERS},
        "links": [links.updated_s, links.plan],
        "transfers": [saver.transfer(transfer) for transfer in links.transfers],
        "engine": {name: getattr(engine, name) for name in ENGINE_NUMBERS},
        "waits": engine.waits.state_dict(),
        "roster": engine.roster.state_dict() if engine.roster else {},
        "good_values": engine.good_values.copy(),
        "snapshot": engine.snapshot,
        "workers": [worker.state_dict() for worker in engine.workers],
        "problem": engine.problem.state_dict(),
        "exchange": engine.exchange.state_dict(),
        "steering": engine.steering.state_dict(),
    }


def resume_engine(engine: Engine, state: dict[str, Any]) -> None:
    """Let a new engine with the same configuration continue from `state`."""
    loader = _Loader(engine)
    clock, board, links = engine.clock, engine.board, engine.links
    engine.problem.load_state_dict(state["problem"])
    engine.exchange.load_state_dict(state["exchange"])
    for worker, saved in zip(engine.workers, state["workers"], strict=True):
        worker.load_state_dict(saved)
    clock.now, clock.at_once, clock.booked = state["clock"]
    clock.heap = [(s, kind, n, loader.action(a)) for s, kind, n, a in state["booked"]]
    board.resume(state["board"], state["looked_at"])
    board.changed = set(state["changed"])
    for name, value in state["board_numbers"].items():
        setattr(board, name, value)
    links.updated_s, links.plan = state["links"]
    links.transfers = [loader.transfer(saved) for saved in state["transfers"]]
    for name in ENGINE_NUMBERS:
        setattr(engine, name, state["engine"][name])
    engine.waits.load_state_dict(state["waits"])
    if engine.roster:
        engine.roster.load_state_dict(state["roster"])
    engine.good_values[:] = state["good_values"]
    engine.snapshot = state["snapshot"]
    engine.steering.load_state_dict(state["steering"])
    engine.resumed = True


class _Saver:
    """Turns booked actions into [owner, name, arguments]."""

    def __init__(self, engine: Engine) -> None:
        self._owners = {id(engine): ENGINE}
        self._owners |= {id(getattr(engine, name)): name for name in PARTS}

    def action(self, action: Callable[[], None]) -> list[Any]:
        arguments = action.args if isinstance(action, partial) else ()
        method: Any = action.func if isinstance(action, partial) else action
        owner = method.__self__
        whose = owner.index if isinstance(owner, SimWorker) else self._owners[id(owner)]
        if method.__name__ == "begin":
            return [whose, method.__name__, [self.transfer(arguments[0])]]
        return [whose, method.__name__, list(arguments)]

    def transfer(self, transfer: Transfer) -> list[Any]:
        landed = self.action(transfer.landed)
        return [transfer.left_mb, transfer.limit_mb_s, landed, transfer.rate_mb_s]


class _Loader:
    """Turns what `_Saver` made back into actions of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def action(self, saved: list[Any]) -> Callable[[], None]:
        whose, name, arguments = saved
        kind = "worker" if isinstance(whose, int) else whose
        if name not in BOOKABLE.get(kind, ()):
            raise AdspError(f"a checkpoint that books {name!r} of {whose!r}: not one of ours")
        engine = self._engine
        owner: Any = engine.workers[whose] if kind == "worker" else engine
        method = getattr(getattr(engine, kind) if kind in PARTS else owner, name)
        if kind == LINKS and name == "begin":
            return partial(method, self.transfer(arguments[0]))
        return partial(method, *arguments) if arguments else method

    def transfer(self, saved: list[Any]) -> Transfer:
        left_mb, limit_mb_s, landed, rate_mb_s = saved
        return Transfer(left_mb, limit_mb_s, self.action(landed), rate_mb_s)
