"""A remote array in parts on several servers, so that commits do not queue at one of them."""

from typing import Callable, Iterator

import numpy as np
from mpi4py import MPI

from adsp_mpi.mpi.ranks.backoff import wait_for
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.remote_array import Kind, RemoteArray

MakePart = Callable[[int, int], RemoteArray]
"""Makes an array with this number of elements on this server's rank."""


class ShardedArray(RemoteArray):
    """An array in consecutive parts of almost equal size, one on each server."""

    def __init__(
        self, world: World, num_elements: int, dtype: str, chunk_elements: int, make: MakePart
    ) -> None:
        super().__init__(world, num_elements, dtype, chunk_elements)
        servers = world.servers
        bounds = [num_elements * i // len(servers) for i in range(len(servers) + 1)]
        self._places = [slice(*bounds[i : i + 2]) for i in range(len(servers))]
        sizes = [place.stop - place.start for place in self._places]
        self._shards = [make(size, root) for size, root in zip(sizes, servers, strict=True)]
        self.at_once = all(shard.at_once for shard in self._shards)

    def parts(self, num_elements: int) -> Iterator[slice]:
        for place, shard in self.from_own_place([*zip(self._places, self._shards, strict=True)]):
            for part in shard.parts(max(0, min(num_elements, place.stop) - place.start)):
                yield slice(place.start + part.start, place.start + part.stop)

    def first_of(self, root: int) -> int:
        return self._places[self.world.servers.index(root)].start

    def load(self, into: np.ndarray) -> np.ndarray:
        for place, shard in zip(self._places, self._shards, strict=True):
            if shard.root == self.world.rank:
                shard.load(into[place])
            else:
                shard.read_now(into[place])
        return into

    def store(self, values: np.ndarray | float) -> None:
        whole = np.empty(self.num_elements, self.dtype)
        whole[:] = values
        for place, shard in zip(self._places, self._shards, strict=True):
            if shard.root == self.world.rank:
                shard.store(whole[place])
            else:
                wait_for(shard.write(whole[place], np.empty_like(whole[place])))
        self.flush()

    def start(
        self, values: np.ndarray | None, before: np.ndarray, offset: int, kind: Kind
    ) -> list[MPI.Request]:
        requests, end = list[MPI.Request](), offset + len(before)
        for place, shard in zip(self._places, self._shards, strict=True):
            first, last = max(place.start, offset), min(place.stop, end)
            if first < last:
                mine = slice(first - offset, last - offset)
                own = None if values is None else values[mine]
                requests += shard.start(own, before[mine], first - place.start, kind)
        return requests

    def flush(self) -> None:
        for shard in self._shards:
            shard.flush()

    def free(self) -> None:
        for shard in self._shards:
            shard.free()
