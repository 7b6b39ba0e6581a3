"""Reads a heterogeneity profile from TOML; whatever is wrong with it is a ValueError of one line.

At the top lists of one number per worker, each optional: `step_time_s` (seconds) or `slowdown`
(relative to the fastest worker, at least 1), `delay_s` (added to every commit), `bandwidth_mb_s`
(MB/s of the worker's link, 0: no limit). Below them any number of changes:

    [[change]]
    workers = [2]    # missing: all
    from_s = 20      # missing: from the start
    to_s = 40        # missing: to the end
    slowdown = 3     # a kind, one of these:
                     #   slowdown = 3          step time times 3
                     #   drift_to = 3          ... times 1 at from_s, evenly to 3 at to_s, then 3
                     #   jitter = 0.2          ... times exp(0.2 N(0, 1)), drawn for each step
                     #   straggle = {every_s = 20, for_s = 2, slowdown = 5}
                     #                         ... times 5 for 2 s after random gaps of mean 20 s
                     #   delay_s, bandwidth_mb_s, or both, instead of the lists'
                     #   stalls_for_s = 4      the process stops at from_s for 4 s (simulate only)
                     #   dies_at_s = 20        it dies (simulate only; instead of from_s and to_s)

Factors multiply. Without step times they act on a worker's own computing time; nobody can be made
faster than that.
"""

import math
import sys
import tomllib
from pathlib import Path
from typing import Any, Iterable, Sequence

from adsp_mpi.core.hetero.changes import (
    Change,
    Death,
    Drift,
    Jitter,
    LinkChange,
    Slowdown,
    Stall,
    Straggle,
)
from adsp_mpi.core.hetero.profile import Conditions, Profile

LISTS = ("step_time_s", "slowdown", "delay_s", "bandwidth_mb_s")
LINK_KINDS = ("delay_s", "bandwidth_mb_s")
FAULT_KINDS = ("dies_at_s", "stalls_for_s")
KINDS = ("slowdown", "drift_to", "jitter", "straggle", *FAULT_KINDS, *LINK_KINDS)
STRAGGLE_KEYS = ("every_s", "for_s", "slowdown")

SMALLEST = 1e-3
"""Of a factor, and of a straggler's times in seconds."""
LARGEST_SIGMA = 10.0


def read_profile(path: Path, num_workers: int, fastest_step_time_s: float, seed: int) -> Profile:
    """The profile of `num_workers` in the file `path`; `seed` makes its random numbers."""
    where = f"profile {path}"
    data = _load(path, where)
    _require_known(where, data, (*LISTS, "change"))
    if "step_time_s" in data and "slowdown" in data:
        raise ValueError(f"{where}: give step_time_s or slowdown, not both")
    lists = {k: _list(f"{where}: {k}", k, data[k], num_workers) for k in LISTS if k in data}
    relative = "slowdown" in lists
    if relative:
        lists["step_time_s"] = [s * fastest_step_time_s for s in lists.pop("slowdown")]
    workers = tuple(
        Conditions(**{key: values[i] for key, values in lists.items()}) for i in range(num_workers)
    )
    return Profile(workers, relative, _changes(where, data.get("change", []), num_workers, seed))


def _load(path: Path, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ValueError(f"{where}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{where}: not TOML: {error}") from error


def _list(where: str, key: str, values: object, num_workers: int) -> list[float]:
    if not isinstance(values, list) or len(values) != num_workers:
        raise ValueError(f"{where} must be a list of {num_workers} numbers")
    smallest = 1.0 if key == "slowdown" else 0.0
    return [_number(f"{where}[{i}]", value, smallest) for i, value in enumerate(values)]


def _changes(where: str, tables: object, num_workers: int, seed: int) -> tuple[Change, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError(f"{where}: changes are tables, write [[change]]")
    return tuple(
        _change(f"{where}: change {number}", table, num_workers, seed, number)
        for number, table in enumerate(tables, 1)
    )


def _change(where: str, table: dict[str, Any], num_workers: int, seed: int, number: int) -> Change:
    _require_known(where, table, ("workers", "from_s", "to_s", *KINDS))
    workers = _workers(where, table.get("workers"), num_workers)
    from_s = _number(f"{where}: from_s", table.get("from_s", 0.0), 0.0)
    to_s = _end(where, table.get("to_s", math.inf), from_s)
    kind = _kind(where, table)
    if kind in FAULT_KINDS:
        return _fault(where, table, kind, workers, from_s)
    if kind in LINK_KINDS:
        link = {k: _number(f"{where}: {k}", table[k], 0.0) for k in LINK_KINDS if k in table}
        return LinkChange(workers, from_s, to_s, **link)
    if kind == "jitter":
        sigma = _number(f"{where}: jitter", table["jitter"], 0.0, LARGEST_SIGMA)
        return Jitter(workers, from_s, to_s, sigma, seed, number)
    if kind == "straggle":
        times = _straggle(f"{where}: straggle", table["straggle"])
        return Straggle(workers, from_s, to_s, **times, seed=seed, number=number)
    factor = _number(f"{where}: {kind}", table[kind], SMALLEST)
    if kind == "slowdown":
        return Slowdown(workers, from_s, to_s, factor)
    if to_s == math.inf:
        raise ValueError(f"{where}: drift_to needs to_s, the second at which it is reached")
    return Drift(workers, from_s, full_s=to_s, drift_to=factor)


def _fault(
    where: str, table: dict[str, Any], kind: str, workers: Sequence[int], from_s: float
) -> Change:
    dies = kind == "dies_at_s"
    for key in ("from_s", "to_s") if dies else ("to_s",):
        if key in table:
            raise ValueError(f"{where}: {kind} goes without {key}")
    seconds = _number(f"{where}: {kind}", table[kind], 0.0 if dies else SMALLEST)
    return Death(workers, seconds) if dies else Stall(workers, from_s, from_s + seconds)


def _kind(where: str, table: dict[str, Any]) -> str:
    kinds = [key for key in KINDS if key in table]
    if len(kinds) != 1 and tuple(kinds) != LINK_KINDS:
        found = " and ".join(kinds) or "none"
        raise ValueError(f"{where}: it must have exactly one of {', '.join(KINDS)}; it has {found}")
    return kinds[0]


def _workers(where: str, given: Any, num_workers: int) -> Sequence[int]:
    if given is None:
        return range(num_workers)
    numbers = isinstance(given, list) and all(type(worker) is int for worker in given)
    if not numbers or not given or not all(0 <= worker < num_workers for worker in given):
        raise ValueError(
            f"{where}: workers = {given!r}: a list of worker numbers from 0 to {num_workers - 1}"
        )
    return sorted(set(given))


def _end(where: str, given: object, from_s: float) -> float:
    to_s = math.inf if given == math.inf else _number(f"{where}: to_s", given, 0.0)
    if to_s <= from_s:
        raise ValueError(f"{where}: to_s = {to_s:g} must be after from_s = {from_s:g}")
    return to_s


def _straggle(where: str, given: object) -> dict[str, float]:
    if not isinstance(given, dict) or not all(key in given for key in STRAGGLE_KEYS):
        raise ValueError(f"{where} must be a table with {', '.join(STRAGGLE_KEYS)}")
    _require_known(where, given, STRAGGLE_KEYS)
    return {key: _number(f"{where}.{key}", given[key], SMALLEST) for key in STRAGGLE_KEYS}


def _require_known(where: str, table: dict[str, Any], known: Iterable[str]) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}; known: {', '.join(known)}")


def _number(where: str, value: Any, smallest: float, largest: float = sys.float_info.max) -> float:
    """`value` as a float; ValueError, with `where`, unless it is a number in the range."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not smallest <= value <= largest:
        bound = f" and at most {largest:g}" if largest < sys.float_info.max else ""
        raise ValueError(f"{where} = {value!r}: a number of at least {smallest:g}{bound}")
    return float(value)
