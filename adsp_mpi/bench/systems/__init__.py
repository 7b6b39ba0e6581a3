"""Systems that send an update to the model and fetch the model: this package's and its rivals.

Each is one file; a new one is a file here and a line in `SYSTEMS`.
"""

from importlib import import_module

from adsp_mpi.bench.systems.system import System

SYSTEMS = {
    "adsp": "adsp_mpi.bench.systems.own:Own",
    "raw": "adsp_mpi.bench.systems.raw:Raw",
    "p2p": "adsp_mpi.bench.systems.two_sided:TwoSided",
    "rpc": "adsp_mpi.bench.systems.rpc:Rpc",
}
OWN = "adsp"


def system_class(name: str) -> type[System]:
    """The class of a system; imported only when asked for, as one import takes half a second."""
    module, _, attribute = SYSTEMS[name].partition(":")
    return getattr(import_module(module), attribute)
