"""The linear SVM: the tables it reads, its classes and its loss."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from adsp_mpi.errors import UsageError
from adsp_mpi.learn.tasks import make_task
from adsp_mpi.learn.tasks.readers import read_table
from adsp_mpi.learn.tasks.svm import held_out_rows, standardised, target_classes
from tests.unit.task_files import error_of

SIX_ROWS = "size,colour,steady\n1,red,7\n2,blue,7\n\n3,red,7\r\n4,green,7\n5,red,7\n6,blue,7\n"


def test_svm_reads_six_rows(tmp_path: Path) -> None:
    path = tmp_path / "six.csv"
    path.write_text(SIX_ROWS, newline="")
    seed = next(s for s in range(100) if not held_out_rows(6, s)[3])
    task = make_task("svm", {"csv": str(path), "target": "colour", "split_seed": seed})
    x, y = (torch.cat(parts) for parts in zip(task.train_data[:], task.test_data[:], strict=True))
    assert (len(task.train_data), len(task.test_data)) == (5, 1)
    assert (x[:, 1] == 0).all()
    assert task.train_data[:][0][:, 0].mean().item() == pytest.approx(0, abs=1e-6)
    order = x[:, 0].argsort()
    assert y[order].tolist() == [2, 0, 2, 1, 2, 0]
    assert task.make_model()(x).shape == (6, 3)


def test_svm_tells_three_classes_apart(tmp_path: Path) -> None:
    """Three clusters on a line, whose middle one two classes would not give."""
    path = tmp_path / "three.csv"
    rows = [f"{10 * k + i % 7},{i % 3},{name}" for i in range(30) for k, name in enumerate("cab")]
    path.write_text("\n".join(["x,y,kind", *rows]))
    task = make_task("svm", {"csv": str(path), "target": "kind"})
    model, batch = task.make_model(), task.train_data[:]
    for _ in range(2000):
        model.zero_grad()
        task.loss(model, batch).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.5 * parameter.grad
    found = model(task.test_data[:][0]).argmax(dim=1)
    assert found.unique().tolist() == [0, 1, 2]
    assert found.tolist() == task.test_data[:][1].tolist()


def test_svm_refuses_a_class_that_no_training_row_has(tmp_path: Path) -> None:
    """Of six rows one is held out; with some seed it is the only green one."""
    path = tmp_path / "six.csv"
    path.write_text(SIX_ROWS)
    seed = next(s for s in range(100) if held_out_rows(6, s)[3])
    message = error_of("svm", {"csv": str(path), "target": "colour", "split_seed": seed})
    assert message == (
        f"{path}: column 'colour': every row of the class of 'green' is held out; "
        "give more rows of it, or another task.split_seed"
    )


def test_svm_standardises_with_known_rows_only() -> None:
    inputs = np.array([[1.0, 0.1], [3.0, 0.1], [100.0, 9.0]])
    result = standardised(inputs, np.array([True, True, False]))
    assert result.dtype == np.float32
    assert result.tolist() == [[-1, 0], [1, 0], [98, 0]]


def test_svm_holds_out_a_seeded_fifth() -> None:
    first = held_out_rows(14, 0)
    assert first.sum() == 2 and np.array_equal(first, held_out_rows(14, 0))
    assert any(not np.array_equal(first, held_out_rows(14, seed)) for seed in range(1, 5))


def test_svm_targets_with_many_numbers_become_tenths(tmp_path: Path) -> None:
    """Edges come from 0 to 99, each tenth of which is a class; what lies outside joins the ends."""
    path = tmp_path / "numbers.csv"
    path.write_text("\n".join(["y", *map(str, [*range(99, -1, -1), 1e9, -1e9])]))
    held_out = np.arange(102) >= 100
    classes = target_classes(read_table(path), "y", held_out)
    assert classes.tolist() == [*(i // 10 for i in range(99, -1, -1)), 9, 0]


def test_svm_few_numbers_are_classes_in_order(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("y\n10\n9\n2.0\n2\n10\n")
    classes = target_classes(read_table(path), "y", np.zeros(5, bool))
    assert classes.tolist() == [2, 1, 0, 0, 2]


def test_svm_hinge_and_penalty_by_hand() -> None:
    """Scores 2, 0.5, 3 with class 0 right: (max(0, 1 - 1.5) + (1 + 1)) / 3, plus l2 |W|^2."""
    task = make_task("cancer-svm", {"l2": 0.5})
    model = nn.Linear(1, 3)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[2.0], [0.5], [3.0]]))
        model.bias.zero_()
    batch = (torch.ones(1, 1), torch.tensor([0]))
    assert task.loss(model, batch).item() == pytest.approx(2 / 3 + 0.5 * (4 + 0.25 + 9))
    assert task.metrics(model, batch) == pytest.approx({"accuracy": 0.0, "loss": 2 / 3})


def test_cancer_svm_data() -> None:
    """569 rows: 212 malignant (class 0), 357 benign (class 1)."""
    task = make_task("cancer-svm", {})
    labels = torch.cat([task.train_data[:][1], task.test_data[:][1]])
    assert labels.bincount().tolist() == [212, 357]
    assert len(task.test_data) == 113


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " is empty"),
        ("\n\n", " is empty"),
        ("a,y\n1,2\n", ": 1 rows are too few, 5 are needed"),
        ("\na,y,a\n1,2,3\n", ", row 2: two columns are named 'a'"),
        ("a,y\n1,2\n3\n", ", row 3: 1 values for 2 columns"),
        ("a,y\n1,2\n\n3,4,5\n", ", row 4: 3 values for 2 columns"),
        ('a,y\n1,2\n"3,4\n', ", row 3: unexpected end of data"),
        ("a,y\n1,0\nred,1\n1,0\n1,0\n1,0\n", ", row 3, column 'a': 'red' is not a number"),
        ("a,y\n1,0\n,1\n1,0\n1,0\n1,0\n", ", row 3, column 'a': '' is not a number"),
        ("a,y\n1,0\nnan,1\n1,0\n1,0\n1,0\n", ", row 3, column 'a': 'nan' is not finite"),
        ("a,y\n1,0\n1,b\n1,0\n1,0\n1,0\n", ", row 3, column 'y': 'b' is not a number"),
        ("a,y\n1,b\n1,b\n1,b\n1,b\n1,b\n", ": column 'y' holds one value only, 'b'"),
        ("y\n1\n2\n3\n4\n5\n", ": no column beside 'y' to learn from"),
    ],
)
def test_svm_errors_name_file_and_row(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    assert error_of("svm", {"csv": str(path), "target": "y"}) == f"{path}{message}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "task.target = '': no column of"),
        ({"target": "weight"}, "there are: size, colour, steady"),
        ({"target": "colour", "l2": -1}, "task.l2 = -1"),
        ({"target": "colour", "l2": "small"}, "task.l2 = 'small'"),
        ({"target": "colour", "split_seed": -1}, "task.split_seed = -1"),
    ],
)
def test_svm_options_are_checked(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = tmp_path / "six.csv"
    path.write_text(SIX_ROWS)
    assert message in error_of("svm", {"csv": str(path), **options}, UsageError)
