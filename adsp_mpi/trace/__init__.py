"""Traces: everything that happened in a run, in HDF5. `open` gives a reader."""

from adsp_mpi.trace.reader import Trace

open = Trace

__all__ = ["Trace", "open"]
