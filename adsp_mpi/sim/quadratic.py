"""A noisy quadratic without torch: known optimum and curvature, cheap enough for 10,000 workers.

f(w) = 1/2 sum_j a_j w_j^2, with the a_j spread evenly in logarithm from 1 / `condition` to 1; the
optimum is 0. The gradient of a mini-batch of B samples is a (w - x), with x normal of deviation
`noise` / sqrt(B), as if each sample were a quadratic around a point of its own.
"""

from pathlib import Path
from typing import Any, Callable

import numpy as np

from adsp_mpi.config import Config
from adsp_mpi.core.callbacks import NO_CALLBACKS, Callbacks
from adsp_mpi.errors import UsageError
from adsp_mpi.learn.workload import PlainSgd

DRAWN_STEPS = 64
"""A worker draws the noise of this many steps at once."""

VECTORS = ("locals", "bases", "updates")


def quadratic(
    config: Config,
    num_workers: int,
    dimensions: int = 16,
    condition: float = 10.0,
    noise: float = 1.0,
    start: float = 1.0,
) -> "Quadratic":
    """The problem with these options; every coordinate starts at `start`."""
    numbers = (condition, noise, start)
    good = isinstance(dimensions, int) and all(isinstance(n, int | float) for n in numbers)
    if not (good and np.isfinite(numbers).all() and dimensions >= 1 <= condition and noise >= 0):
        raise UsageError(
            "task quadratic: task.dimensions >= 1, task.condition >= 1, task.noise >= 0 and a "
            f"number task.start are needed; got {dimensions}, {condition}, {noise}, {start}"
        )
    if config.commits_gradients(plain_sgd=True):
        raise UsageError("task quadratic: its steps are plain SGD; leave out sync.commits")
    curvature = np.geomspace(1.0 / condition, 1.0, dimensions).astype(np.float32)
    return Quadratic(config, num_workers, curvature, float(noise), float(start))


class Quadratic:
    """Keeps all workers' models as rows of one matrix [M, P], and their bases and updates too."""

    name = "quadratic"
    notes = ()
    loggers = ()
    model = None

    def __init__(
        self, config: Config, num_workers: int, curvature: np.ndarray, noise: float, start: float
    ) -> None:
        shape = (num_workers, len(curvature))
        self.curvature = curvature
        self.noise = noise
        self.train = config.train
        self.seed = config.run.seed
        self.values = np.full(len(curvature), start, np.float32)
        self.num_trained = len(curvature)
        self.locals, self.bases = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.updates, self.answers = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._learners: list[QuadraticLearner] = []

    def callbacks(self, rank: int) -> Callbacks:
        return NO_CALLBACKS

    def learner(self, worker: int) -> "QuadraticLearner":
        learner = QuadraticLearner(self, worker)
        self._learners.append(learner)
        return learner

    def begin(self, progress: Callable[[], float]) -> None:
        """Nothing here goes by the run's progress."""

    def attributes(self, worker: int) -> dict[str, Any]:
        return {"samples": 0, "labels": ""}

    def evaluate(self) -> dict[str, float]:
        """The metrics `loss`, f at the global model, and `distance`, its norm."""
        values = self.values.astype(np.float64)
        loss = 0.5 * float(self.curvature @ values**2)
        return {"loss": loss, "distance": float(np.sqrt(values @ values))}

    def save(self, values: np.ndarray, path: Path) -> Path:
        path = path.with_suffix(".npy")
        np.save(path, values)
        return path

    def state_dict(self) -> dict[str, Any]:
        noise = np.zeros((len(self._learners), DRAWN_STEPS, len(self.values)), np.float32)
        for learner, drawn in zip(self._learners, noise, strict=True):
            drawn[: learner.left] = learner.drawn[: learner.left]
        vectors = {name: getattr(self, name) for name in VECTORS}
        return {
            "vectors": vectors,
            "noise": noise,
            "learners": [w.state_dict() for w in self._learners],
            "local_lr": self.train.local_lr,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in VECTORS:
            getattr(self, name)[:] = state["vectors"][name]
        zipped = zip(self._learners, state["noise"], state["learners"], strict=True)
        for learner, noise, own in zipped:
            learner.load_state_dict(noise, own, state["local_lr"])


class QuadraticLearner(PlainSgd):
    """The learner whose vectors are one row of the matrices."""

    idle_s = 0.0

    __slots__ = (
        "_base", "_batch_size", "_curvature", "_decay", "_generator", "_local",
        "_noise", "_rate", "answer", "drawn", "left", "num_rebased", "update",
    )  # fmt: skip

    def __init__(self, problem: Quadratic, worker: int) -> None:
        self._local, self._base = problem.locals[worker], problem.bases[worker]
        self.update, self.answer = problem.updates[worker], problem.answers[worker]
        self.num_rebased = len(self._local)
        self._curvature = problem.curvature
        self._noise = problem.noise
        self._generator = np.random.default_rng([problem.seed, worker])
        self.drawn = np.zeros((0, len(self._local)), np.float32)
        self.left = 0
        self._batch_size = 0
        self._rate = problem.train.local_lr
        self._decay = problem.train.lr_decay ** (1 / problem.train.lr_decay_steps)

    def step(self, batch_size: int) -> float:
        if not self.left or batch_size != self._batch_size:
            self._draw(batch_size)
        self.left -= 1
        away = self._local - self.drawn[self.left]
        gradient = self._curvature * away
        loss = 0.5 * float(gradient.dot(away))  # a quarter of the time of @ for a short vector
        gradient *= self._rate
        self._local -= gradient
        self._rate *= self._decay
        return loss

    def _draw(self, batch_size: int) -> None:
        shape = (DRAWN_STEPS, len(self._local))
        self.drawn = self._generator.standard_normal(shape, np.float32)
        self.drawn *= np.float32(self._noise / np.sqrt(batch_size))
        self.left, self._batch_size = DRAWN_STEPS, batch_size

    def state_dict(self) -> list[Any]:
        """Its state without its rows of the matrices and its noise."""
        return [self.left, self._batch_size, self._rate, self._generator.bit_generator.state]

    def load_state_dict(self, noise: np.ndarray, state: list[Any], local_lr: float) -> None:
        """Continue from a learner's `state_dict` with its `noise`, float32[DRAWN_STEPS, P].

        `local_lr` was the configured learning rate then. If another is configured now, the decayed
        rate in `state` changes by the same factor.
        """
        configured = self._rate
        self.left, self._batch_size, rate, self._generator.bit_generator.state = state
        self._rate = rate * (configured / local_lr) if local_lr else configured
        self.drawn = noise

    def is_finite(self) -> bool:
        return bool(np.isfinite(self._local).all())

    def take_update(self, factor: float) -> np.ndarray:
        np.subtract(self._local, self._base, out=self.update)
        self.update *= np.float32(factor)
        self._base[:] = self._local
        return self.update

    def before_landing(self, values: np.ndarray) -> None:
        pass

    def take_share(self, share: int) -> None:
        """There are no data."""

    def replace(self, keep_local: bool) -> None:
        if keep_local:
            self._local += self.answer - self._base
        else:
            self._local[:] = self.answer
        self._base[:] = self.answer
