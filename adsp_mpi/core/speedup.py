"""How much sooner all workers together may be done than the fastest of them alone."""

from typing import Sequence


def speedup_limit(
    samples: Sequence[float], samples_per_s: Sequence[float], seconds: float
) -> float | None:
    """All workers' samples per second of the run over the fastest worker's own.

    `samples` and `samples_per_s`, a rate while it computes and sleeps, are by worker; `seconds` are
    the run's. None if nothing was trained. It is a limit: alone, the fastest worker would wait for
    nobody, and would learn more from a sample than workers do whose models differ.
    """
    fastest = max(samples_per_s, default=0.0)
    return sum(samples) / seconds / fastest if seconds > 0 and fastest > 0 else None


def speedup_text(limit: float | None, fastest: int | None) -> str:
    """The speed-up limit for people; `fastest` is the number of the fastest worker."""
    if limit is None or fastest is None:
        return "not known"
    return f"at most {limit:.2f} over worker {fastest} alone, by samples per second"
