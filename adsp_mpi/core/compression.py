"""Fewer bytes a commit: numbers are rounded or left out, and what is lost goes with the next one.

The worker's end keeps what a commit left out and adds it to the next (error feedback: Seide et
al., Interspeech 2014; with the largest elements alone: Stich et al., NeurIPS 2018; between local
steps: Basu et al., "Qsparse-local-SGD", NeurIPS 2019). It trains on with what it has not sent
yet, as in Gaia (Hsieh et al., NSDI 2017), so that it does not learn the same again. The server's
end keeps what each worker knows of the model and answers with the difference, cut down in the
same way.
"""

import math
from abc import ABC, abstractmethod
from typing import Iterator

import numpy as np

BLOCK_ELEMENTS = 1 << 16
"""Vectors are encoded in blocks of this size, each a message of its own."""

LARGEST_FLOAT16 = 65504.0


class Codec(ABC):
    """How one block of at most `BLOCK_ELEMENTS` numbers, float32, becomes bytes, and back."""

    @abstractmethod
    def num_bytes(self, elements: int) -> int:
        """Length of an encoded block of so many elements."""

    @abstractmethod
    def encode(self, values: np.ndarray) -> np.ndarray:
        """uint8[num_bytes] of `values`, which stay as they are."""

    @abstractmethod
    def add(self, data: np.ndarray, to: np.ndarray, times: float = 1.0) -> None:
        """Add what `data`, uint8[num_bytes], says, `times` so much, to the block `to`."""


class Float16(Codec):
    """Half the bytes; IEEE half precision, larger numbers are cut to its largest."""

    def num_bytes(self, elements: int) -> int:
        return 2 * elements

    def encode(self, values: np.ndarray) -> np.ndarray:
        halves: np.ndarray = np.clip(values, -LARGEST_FLOAT16, LARGEST_FLOAT16).astype("f2")
        return halves.view("u1")

    def add(self, data: np.ndarray, to: np.ndarray, times: float = 1.0) -> None:
        to += np.float32(times) * data.view("f2").astype("f4")


class Bfloat16(Codec):
    """Half the bytes; the first half of a float32, rounded to nearest even."""

    def num_bytes(self, elements: int) -> int:
        return 2 * elements

    def encode(self, values: np.ndarray) -> np.ndarray:
        bits = values.view("u4")
        rounded = bits + (0x7FFF + ((bits >> 16) & 1)).astype("u4")
        halves: np.ndarray = (rounded >> 16).astype("u2")
        return halves.view("u1")

    def add(self, data: np.ndarray, to: np.ndarray, times: float = 1.0) -> None:
        to += np.float32(times) * (data.view("u2").astype("u4") << 16).view("f4")


class TopK(Codec):
    """The `share` of a block's elements that are largest, at least one, with their places."""

    def __init__(self, share: float) -> None:
        self._share = share

    def _count(self, elements: int) -> int:
        return min(elements, max(1, math.ceil(self._share * elements)))

    def num_bytes(self, elements: int) -> int:
        return 6 * self._count(elements)

    def encode(self, values: np.ndarray) -> np.ndarray:
        count = self._count(len(values))
        places = np.argpartition(np.abs(values), len(values) - count)[-count:]
        places.sort()
        return np.concatenate([values[places].view("u1"), places.astype("u2").view("u1")])

    def add(self, data: np.ndarray, to: np.ndarray, times: float = 1.0) -> None:
        count = len(data) // 6
        to[data[4 * count :].view("u2")] += np.float32(times) * data[: 4 * count].view("f4")


def make_codec(text: str) -> Codec | None:
    """`none`, `float16`, `bfloat16` or `topk:SHARE`; ValueError for anything else."""
    name, _, share = text.partition(":")
    plain = {"none": None, "float16": Float16(), "bfloat16": Bfloat16()}
    if text in plain:
        return plain[text]
    try:
        wanted = float(share) if name == "topk" else math.nan
    except ValueError:
        wanted = math.nan
    if not 0 < wanted < 1:
        raise ValueError(
            f"compress {text!r}: none, float16, bfloat16 or topk:SHARE with a share of the "
            "elements between 0 and 1, such as topk:0.01"
        )
    return TopK(wanted)


def blocks(elements: int) -> Iterator[slice]:
    """The blocks of a vector of so many elements."""
    for start in range(0, elements, BLOCK_ELEMENTS):
        yield slice(start, min(start + BLOCK_ELEMENTS, elements))


def commit_bytes(codec: Codec | None, elements: int) -> int:
    """What a worker sends for a commit of so many float32 numbers."""
    if codec is None:
        return 4 * elements
    return sum(codec.num_bytes(b.stop - b.start) for b in blocks(elements))


class Residual:
    """A worker's end: what its commits have left out so far, float32[P]."""

    def __init__(self, codec: Codec, elements: int) -> None:
        self._codec = codec
        self.values = np.zeros(elements, np.float32)

    def take(self, update: np.ndarray) -> list[np.ndarray]:
        """`update` and what was left out before, encoded block by block."""
        self.values += update
        sent = []
        for block in blocks(len(update)):
            sent.append(self._codec.encode(self.values[block]))
            self._codec.add(sent[-1], self.values[block], -1.0)
        return sent


class Known:
    """The server's end: what each worker knows of the model, float32[M, P]."""

    def __init__(self, codec: Codec, workers: int, elements: int) -> None:
        self._codec = codec
        self.values = np.zeros((workers, elements), np.float32)

    def told(self, worker: int, block: slice, values: np.ndarray) -> None:
        """`worker` gets a block of the model as it is."""
        self.values[worker, block] = values

    def tell(self, worker: int, block: slice, values: np.ndarray) -> np.ndarray:
        """What `worker` is to add to what it knows of a block of the model, encoded."""
        known = self.values[worker, block]
        data = self._codec.encode(values - known)
        self._codec.add(data, known)
        return data
