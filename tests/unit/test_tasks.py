"""The built-in tasks: that they train, and what those on images and series read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from adsp_mpi.errors import UsageError
from adsp_mpi.learn.evaluator import Evaluator
from adsp_mpi.learn.flat import FlatModel
from adsp_mpi.learn.sample_order import BatchOrder
from adsp_mpi.learn.task import Task, data_length, labels_of
from adsp_mpi.learn.tasks import make_task
from adsp_mpi.learn.tasks.cifar10 import RECORD_BYTES
from adsp_mpi.learn.tasks.fatigue import density_classes
from adsp_mpi.learn.trainer import Trainer
from adsp_mpi.learn.updates import LearningRate
from tests.unit.task_files import error_of, real_data, write_cifar10


def losses_around_training(task: Task, steps: int, local_lr: float) -> tuple[float, float]:
    """The loss on the training data before and after some steps of batch 16.

    On one thread, as a rank trains: several are slower for models as small as these.
    """
    torch.set_num_threads(1)
    torch.manual_seed(1)
    flat = FlatModel(task.make_model(), torch.device("cpu"))
    order = BatchOrder(np.arange(data_length(task.train_data)), np.random.default_rng(1))
    trainer = Trainer(task, flat, lambda share: order, 0, LearningRate(local_lr, 1.0, 1000))
    evaluator = Evaluator(task, flat, 300, 1)
    before = evaluator.evaluate()["loss"]
    for _ in range(steps):
        trainer.step(16)
    return before, evaluator.evaluate()["loss"]


def write_examples(folder: Path) -> dict[str, dict[str, Any]]:
    """Small files with something to learn in them, and the options that name them."""
    generator = np.random.default_rng(5)
    records = [(i % 3, 40 + 80 * (i % 3) + int(generator.integers(20))) for i in range(60)]
    images = {"folder": write_cifar10(folder, data_batch_1=records, test_batch=records[:6])}
    wave = np.sin(np.arange(300) * 0.7) + 0.1 * generator.standard_normal(300)
    (folder / "wave.txt").write_text("\n".join(f"{value:.12f}" for value in wave) + "\n")
    x = generator.standard_normal((100, 2))
    rows = [f"{a:.4f},{b:.4f},{'high' if a + b > 0 else 'low'}" for a, b in x]
    (folder / "points.csv").write_text("\n".join(["a,b,side", *rows]))
    return {
        "digits-lstm": {},
        "cancer-svm": {},
        "cifar10": images,
        "cifar10-small": images,
        "fatigue": {"file": str(folder / "wave.txt")},
        "svm": {"csv": str(folder / "points.csv"), "target": "side"},
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps", "local_lr", "share_left"),
    [
        ("digits-lstm", 150, 0.5, 0.7),
        ("cancer-svm", 40, 0.1, 0.5),
        ("cifar10", 8, 0.05, 0.97),
        ("cifar10-small", 40, 0.05, 0.7),
        ("fatigue", 150, 0.5, 0.8),
        ("svm", 40, 0.1, 0.5),
    ],
)
def test_a_few_steps_lower_the_loss(
    tmp_path: Path, name: str, steps: int, local_lr: float, share_left: float
) -> None:
    task = make_task(name, write_examples(tmp_path)[name])
    before, after = losses_around_training(task, steps, local_lr)
    assert after < share_left * before
    assert labels_of(task.train_data) is not None


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("digits-cnn", 57_110),
        ("digits-lstm", 19_594),
        ("cancer-svm", 62),
        ("cifar10", 1_756_426),
        ("cifar10-small", 39_338),
        ("fatigue", 68_362),
    ],
)
def test_models_have_the_size_that_they_state(tmp_path: Path, name: str, parameters: int) -> None:
    task = make_task(name, write_examples(tmp_path).get(name, {}))
    assert FlatModel(task.make_model(), torch.device("cpu")).num_elements == parameters


def test_both_digits_tasks_hold_out_the_same_images() -> None:
    cnn, lstm = make_task("digits-cnn", {}), make_task("digits-lstm", {})
    assert torch.equal(cnn.test_data[:][0].reshape(-1, 8, 8), lstm.test_data[:][0])
    assert torch.equal(cnn.test_data[:][1], lstm.test_data[:][1])
    assert (len(lstm.train_data), len(lstm.test_data)) == (1437, 360)


def test_cifar10_records_by_hand(tmp_path: Path) -> None:
    write_cifar10(tmp_path, data_batch_1=[(3, 7), (0, 0)], data_batch_2=[(9, 255)])
    ramp = bytes([5]) + bytes(i % 251 for i in range(3072))
    (tmp_path / "test_batch.bin").write_bytes(ramp)
    task = make_task("cifar10-small", {"folder": str(tmp_path)})
    images, labels = task.train_data[:]
    assert images.dtype == torch.uint8 and images.shape == (3, 3, 32, 32)
    assert images[:, 2, 31, 31].tolist() == [7, 0, 255]
    assert labels.dtype == torch.int64 and labels.tolist() == [3, 0, 9]
    image, label = task.test_data[0]
    assert label == 5
    assert image[2, 1, 4] == (2 * 1024 + 1 * 32 + 4) % 251


def test_cifar10_pixels_are_standardised_in_the_batch(tmp_path: Path) -> None:
    class Recorder(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.seen = images
            return torch.zeros(len(images), 10)

    folder = write_cifar10(tmp_path, data_batch_1=[(3, 7)], test_batch=[(3, 7)])
    task = make_task("cifar10", {"folder": folder})
    model = Recorder()
    assert task.loss(model, task.train_data[:]).item() == pytest.approx(np.log(10))
    expected = [(7 - 125.3) / 63.0, (7 - 123.0) / 62.1, (7 - 113.9) / 66.7]
    assert model.seen[0, :, 0, 0].tolist() == pytest.approx(expected)
    assert set(task.metrics(model, task.test_data[:])) == {"accuracy", "loss"}


def test_cifar10_errors_name_file_and_record(tmp_path: Path) -> None:
    message = error_of("cifar10", {}, UsageError)
    assert message == "set task.folder to a folder with data_batch_*.bin and test_batch.bin"
    assert error_of("cifar10", {"folder": 3}, UsageError) == message
    options = {"folder": str(tmp_path)}
    assert "no data_batch_*.bin there" in error_of("cifar10", options)
    write_cifar10(tmp_path, data_batch_1=[(1, 1), (2, 2)])
    assert error_of("cifar10", options) == f"{tmp_path}/test_batch.bin: No such file or directory"
    (tmp_path / "test_batch.bin").write_bytes(b"")
    assert error_of("cifar10", options) == f"{tmp_path}/test_batch.bin is empty"
    write_cifar10(tmp_path, test_batch=[(1, 1), (10, 1)])
    message = error_of("cifar10", options)
    assert message == f"{tmp_path}/test_batch.bin, record 2: label 10 is above 9"
    (tmp_path / "data_batch_1.bin").write_bytes(bytes(RECORD_BYTES + 5))
    message = error_of("cifar10", options)
    assert message == f"{tmp_path}/data_batch_1.bin, record 2: truncated, 5 of 3073 bytes"


def test_density_classes_rise_with_the_value() -> None:
    """Where the density is 0.1, 0.3, ... 0.9 of its peak, below the mean and above it."""
    z = np.sqrt(-2 * np.log([0.1, 0.3, 0.5, 0.7, 0.9]))
    assert density_classes(-z).tolist() == [0, 1, 2, 3, 4]
    assert density_classes(z).tolist() == [9, 8, 7, 6, 5]
    assert density_classes(np.array([-100.0, -1e-9, 0.0, 100.0])).tolist() == [0, 4, 5, 9]


def test_fatigue_windows_by_hand(tmp_path: Path) -> None:
    """Training sees 1 -1 ... 0, mean 0, variance 10/11. Answers: 0; and 2, density exp(-2.2)."""
    values = [1, -1] * 5 + [0, 2]
    path = tmp_path / "stress.txt"
    path.write_text("\n".join(map(str, values)) + "\n\n")
    task = make_task("fatigue", {"file": str(path)})
    windows, classes = task.train_data[:]
    assert windows.shape == (1, 10, 1) and windows.dtype == torch.float32
    scale = np.sqrt(11 / 10)
    assert windows.flatten().tolist() == pytest.approx([scale, -scale] * 5)
    assert classes.tolist() == [5]
    windows, classes = task.test_data[:]
    assert windows.flatten().tolist() == pytest.approx([-scale, scale] * 4 + [-scale, 0])
    assert classes.tolist() == [9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " is empty"),
        ("1\n2\nthree\n", ", row 3: 'three' is not a number"),
        ("1\n\n3\n", ", row 2: '' is not a number"),
        ("1\n2 3\n", ", row 2: '2 3' is not a number"),
        ("1\n2\n3\ninf\n", ", row 4: 'inf' is not finite"),
        ("1\n" + "x" * 99, f", row 2: '{'x' * 40}...' is not a number"),
        ("1\n" * 11, ": 11 rows are too few, at least 12 are needed"),
        ("1\n" * 12, ": the values of the first 11 rows are all the same"),
        (b"\xff\xfe1", " is not UTF-8 text"),
    ],
)
def test_fatigue_errors_name_file_and_row(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = tmp_path / "stress.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert error_of("fatigue", {"file": str(path)}) == f"{path}{message}"


def test_missing_files_are_named(tmp_path: Path) -> None:
    assert "set task.file to a text file" in error_of("fatigue", {}, UsageError)
    assert "set task.csv to a CSV file" in error_of("svm", {"target": "x"}, UsageError)
    assert error_of("fatigue", {"file": "/no/file"}) == "/no/file: No such file or directory"
    assert error_of("svm", {"csv": str(tmp_path)}) == f"{tmp_path}: Is a directory"


def test_real_cifar10_trains() -> None:
    task = make_task("cifar10-small", {"folder": real_data("cifar10")})
    labels = labels_of(task.train_data)
    assert labels is not None and len(np.unique(labels)) == 10
    before, after = losses_around_training(task, 60, 0.1)
    assert after < 0.97 * before


def test_real_fatigue_series_trains() -> None:
    task = make_task("fatigue", {"file": real_data("fatigue/stress_44428rows.txt")})
    assert (len(task.train_data), len(task.test_data)) == (35534, 8884)
    labels = labels_of(task.train_data)
    assert labels is not None and set(labels) == set(range(10))
    before, after = losses_around_training(task, 60, 0.1)
    assert after < 0.97 * before
