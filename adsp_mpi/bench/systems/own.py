"""This package's whole commit path: the difference, the board, the chunks, the rebase."""

import time

import numpy as np
import torch
from torch import nn

from adsp_mpi.bench.systems.system import LEARNT, STEP, System
from adsp_mpi.core.board import Board
from adsp_mpi.core.models.asp import Asp
from adsp_mpi.core.worker import Worker
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.replica import Replica
from adsp_mpi.mpi.ranks.world import World
from adsp_mpi.mpi.transport.board_client import WorkerBoard, server_board
from adsp_mpi.mpi.transport.choose import make_array, make_model_array
from adsp_mpi.mpi.transport.chunk_size import chosen_chunk
from adsp_mpi.mpi.transport.progress import ProgressHelper
from adsp_mpi.mpi.worker.commit import CommitPath


class Own(System):
    def __init__(self, world: World, num_elements: int, chunk_elements: int | None = None) -> None:
        super().__init__(world, num_elements)
        chunk_elements = chunk_elements or chosen_chunk(world)
        self._window = make_model_array(world, num_elements, chunk_elements)
        self._rows = make_array(world, Board.size(world.num_workers), "f8")
        if world.worker < 0:
            seen = Board(world.num_workers)
            seen.column("begun")[:] = 1  # unknown to a shard: its helper is always eager
            seen = server_board(world, self._rows) if world.is_server else seen
            self._helper = ProgressHelper(world, seen)
            self._helper.__enter__()
            return
        module = nn.Module()
        module.weight = nn.Parameter(torch.zeros(num_elements))
        self._flat = FlatModel(module, torch.device("cpu"))
        self._board = WorkerBoard(world, self._rows)
        replica = Replica(self._flat, same_base=True)
        self._worker = Worker(world.worker, Asp(), row=self._board.row)
        self._path = CommitPath(
            self._window, self._board, self._worker, replica, time.monotonic, 0.0
        )

    def learn(self) -> None:
        self._flat.values[:LEARNT].add_(1.0)

    def commit(self) -> None:
        self._worker.commit_begun(0.0)
        self._path.begin(STEP, 0.0)
        self._path.finish()
        self._worker.commit_done(0.0, 0.0)

    def model(self) -> np.ndarray:
        return self._window.load(np.empty(self._window.num_elements, np.float32))

    def close(self) -> None:
        super().close()
        if self.world.worker < 0:
            self._helper.__exit__()
        else:
            self._board.finish()
        self._rows.free()
        self._window.free()
