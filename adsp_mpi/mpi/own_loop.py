"""A user's own loop on a rank of an MPI job."""

from typing import Sequence

from adsp_mpi.config import Config
from adsp_mpi.layers import Layer
from adsp_mpi.learn.random_state import seed_generators
from adsp_mpi.learn.steps import Steps
from adsp_mpi.mpi.exit import say_start
from adsp_mpi.mpi.ranks.share_out import share_out
from adsp_mpi.mpi.run import RankRun
from adsp_mpi.mpi.server.results import Result
from adsp_mpi.own_loop.host import load_program, loop_config
from adsp_mpi.own_loop.workload import LoopWorkload
from adsp_mpi.runtime.data_shares import torch_seed


class RankHost:
    """This rank's part of a run."""

    simulated = False

    def __init__(self, config: Config, workload: LoopWorkload) -> None:
        self._rank = rank = RankRun(config, lambda settings, *_: workload.configured(settings))
        world, model = rank.ready.world, rank.ready.model
        self.server = world.worker < 0
        self.index, self.workers = world.worker, world.num_workers
        share_out(world, [model.values])
        model.scatter()
        seed_generators(torch_seed(config, self.index + 1))

    @property
    def seed(self) -> int:
        return self._rank.ready.config.run.seed

    @property
    def progress(self) -> float:
        return self._rank.board.board.progress if self._rank.board else 0.0

    @property
    def share(self) -> tuple[int, int]:
        ready = self._rank.ready
        share = ready.first_share
        if self._rank.board:
            share = int(self._rank.board.board.assignment("share")[self.index])
        return share, ready.num_shares

    def steps(self) -> Steps[Result | None]:
        return self._rank.steps()


def prepare_rank(layers: Sequence[Layer], workload: LoopWorkload) -> RankHost:
    """Collective: prepare the run; all ranks go on from rank 0's weights."""
    config = loop_config("run", layers)
    say_start(config, workload.name)
    return RankHost(config, workload)


def call(program: str, given: Config) -> None:
    """Call the user's function `module:function`, with the random generators seeded alike."""
    seed_generators(torch_seed(given, 0))
    load_program(program)()
