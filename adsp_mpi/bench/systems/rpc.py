"""A parameter server of torch.distributed.rpc: rank 0's model behind a lock."""

import atexit
import socket
import threading
import warnings
from functools import cache

import numpy as np
import torch
from torch.distributed import rpc

from adsp_mpi.bench.systems.system import Rival
from adsp_mpi.mpi.ranks.world import SERVER, World

LIMIT_S = 300.0

_lock = threading.Lock()
_model = torch.zeros(0)


def _add(update: torch.Tensor) -> torch.Tensor:
    with _lock:
        return _model.add_(update).clone()


class Rpc(Rival):
    spins = True

    def __init__(self, world: World, num_elements: int) -> None:
        super().__init__(world, num_elements)
        start_rpc(world)
        if world.is_server:
            global _model
            _model = torch.zeros(num_elements)
        world.wait_for_all()

    def exchange(self) -> None:
        update = torch.from_numpy(self.update)
        self.local[:] = rpc.rpc_sync(_name(SERVER), _add, args=(update,)).numpy()

    def model(self) -> np.ndarray:
        return _model.numpy()


@cache
def start_rpc(world: World) -> None:
    """Collective, called once per process: RPC does not start reliably a second time."""
    warnings.filterwarnings("ignore", module="torch.distributed")  # it warns of its own calls
    address = world.comm.bcast(_free_address() if world.is_server else None)
    options = rpc.TensorPipeRpcBackendOptions(init_method=f"tcp://{address}", rpc_timeout=LIMIT_S)
    rpc.init_rpc(
        _name(world.rank),
        rank=world.rank,
        world_size=world.comm.size,
        rpc_backend_options=options,
    )
    atexit.register(rpc.shutdown, graceful=False)


def _name(rank: int) -> str:
    return f"rank{rank}"


def _free_address() -> str:
    host = socket.gethostname()
    with socket.socket() as probe:
        probe.bind((host, 0))
        return f"{host}:{probe.getsockname()[1]}"
