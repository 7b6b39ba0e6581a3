"""Replays a recorded run through the core."""

from tests.contract.recording import Recording
from tests.contract.replay_scheduler import replay_scheduler
from tests.contract.replay_worker import WorkerReplay


def replay(recording: Recording) -> int:
    """Scheduler and all workers; how many rows of workers were compared. Different, where the
    core decides anything else than what was recorded."""
    schedule = replay_scheduler(recording)
    workers = range(recording.num_workers)
    return sum(WorkerReplay(recording, schedule, worker).run() for worker in workers)
