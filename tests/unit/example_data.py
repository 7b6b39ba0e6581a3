"""Little data for the examples that read files: written here, or the first part of real ones."""

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas
import pytest

from tests.unit.import_rules import ROOT
from tests.unit.task_files import real_data

FILES = sorted((ROOT / "adsp_mpi" / "examples").glob("[a-z]*.py"))
EXAMPLES = {path.stem: path for path in FILES if "def train()" in path.read_text()}
PACKAGES = {
    "hf_trainer": ("transformers", "accelerate"),
    "lightning_trainer": ("lightning",),
    "lora": ("transformers",),
}
"""What some examples need and not every environment of the tests has."""

IMAGES = {"data_batch_1.bin": 64, "test_batch.bin": 16}
RECORD_BYTES = 3073


def missing(example: str) -> str:
    """What the example needs and is not on this machine; "" if nothing is missing."""
    packages = [name for name in PACKAGES.get(example, ()) if find_spec(name) is None]
    if packages:
        return f"{' and '.join(packages)} not installed"
    try:
        if example == "resnet_cifar":
            real_data("cifar10")
    except pytest.skip.Exception as skipped:
        return str(skipped)
    return ""


def write_data(example: str, folder: Path) -> dict[str, str]:
    """Write what an example reads into `folder`; returns the variables that it looks at."""
    writers = {
        "flights": ("NYCFLIGHTS13_FOLDER", _flights),
        "grapheme_to_phoneme": ("CMUDICT_FOLDER", _words),
        "resnet_cifar": ("CIFAR10_FOLDER", _images),
    }
    if example not in writers:
        return {}
    variable, write = writers[example]
    folder.mkdir(exist_ok=True)
    write(folder)
    return {variable: str(folder)}


def _images(folder: Path) -> None:
    for name, count in IMAGES.items():
        with open(os.path.join(real_data("cifar10"), name), "rb") as file:
            (folder / name).write_bytes(file.read(count * RECORD_BYTES))


def _flights(folder: Path, count: int = 600) -> None:
    """Flights that arrive as they depart: one in ten never does, some planes are unknown."""
    random = np.random.default_rng(0)
    late = random.normal(10, 20, count).round()
    flights = {
        "year": np.full(count, 2013),
        "month": random.integers(1, 13, count),
        "day": random.integers(1, 29, count),
        "sched_dep_time": random.integers(500, 2359, count),
        "dep_delay": late,
        "arr_delay": np.where(random.random(count) < 0.1, np.nan, late - 5),
        "distance": random.integers(80, 5000, count),
        "carrier": random.choice(["AA", "B6", "UA"], count),
        "origin": random.choice(["EWR", "JFK", "LGA"], count),
        "dest": random.choice(["ATL", "BOS", "ORD"], count),
        "tailnum": random.choice(["N1", "N2", "N3"], count),
    }
    planes = {"tailnum": ["N1", "N2"], "year": [1999, 2004], "seats": [55, 189]}
    pandas.DataFrame(flights).to_csv(folder / "flights.csv", index=False)
    pandas.DataFrame(planes).to_csv(folder / "planes.csv", index=False)


def _words(folder: Path, count: int = 1000) -> None:
    """Words of which each letter always sounds the same, and one of each other kind of line."""
    sounds = dict(zip("abdegiklmnoprstuz", SOUNDS.split(), strict=True))
    random = np.random.default_rng(0)
    lengths = random.integers(2, 8, count)
    words = ["".join(random.choice(list(sounds), length)) for length in lengths]
    lines = [" ".join([word, *(sounds[letter] for letter in word)]) for word in words]
    others = ["'bout B AW1 T", "a(2) EY1", "aalborg AA1 L B AO0 R G # place, danish"]
    (folder / "cmudict.dict").write_text("\n".join([*others, *lines]) + "\n")


SOUNDS = "AA1 B D EH0 G IH2 K L M N OW1 P R S T UH1 Z"
