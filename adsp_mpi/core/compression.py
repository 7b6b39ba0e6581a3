"""Compressed commits: numbers are rounded or left out, and the error is added to the next commit.

A worker keeps the part of its update that a commit left out and adds it to the next one (error
feedback: Seide et al., Interspeech 2014; with only the largest elements: Stich et al., NeurIPS
2018; with local steps in between: Basu et al., "Qsparse-local-SGD", NeurIPS 2019). Its local model
contains that part all the time, as in Gaia (Hsieh et al., NSDI 2017), so it does not learn it
again. The server keeps a copy of the model as each worker knows it, and answers with the
difference to the present model, compressed in the same way.
"""

import math
from abc import ABC, abstractmethod
from typing import Iterator

import numpy as np

BLOCK_ELEMENTS = 1 << 16
"""Vectors are encoded in blocks of this many elements, and each block is one message."""

LARGEST_FLOAT16 = 65504.0


class Codec(ABC):
    """Encodes one block of at most `BLOCK_ELEMENTS` float32 numbers as bytes, and decodes it."""

    @abstractmethod
    def num_bytes(self, elements: int) -> int:
        """The length of an encoded block of `elements` numbers."""

    @abstractmethod
    def encode(self, values: np.ndarray) -> np.ndarray:
        """`values`, float32[elements], encoded as uint8[num_bytes]; `values` are not changed."""

    @abstractmethod
    def add(self, data: np.ndarray, to: np.ndarray, times: float = 1.0) -> None:
        """Decode `data`, uint8[num_bytes], and add `times` of it to `to`, float32[elements]."""


class Float16(Codec):
    """IEEE half precision: half the bytes. Numbers beyond its range become its largest."""

    def num_bytes(self, elements: int) -> int:
        return 2 * elements

    def encode(self, values: np.ndarray) -> np.ndarray:
        halves: np.ndarray = np.clip(values, -LARGEST_FLOAT16, LARGEST_FLOAT16).astype("f2")
        return halves.view("u1")

    def add(self, data: np.ndarray, to: np.ndarray, times: float = 1.0) -> None:
        to += np.float32(times) * data.view("f2").astype("f4")


class Bfloat16(Codec):
    """The upper half of a float32, rounded to nearest even: half the bytes."""

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
    """Only the largest elements of a block, a `share` of all and at least one, and their places."""

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
    """The codec for `float16`, `bfloat16` or `topk:SHARE`, and None for `none`.

    Raises ValueError for any other text.
    """
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
    """The blocks of a vector of `elements` numbers, in order."""
    for start in range(0, elements, BLOCK_ELEMENTS):
        yield slice(start, min(start + BLOCK_ELEMENTS, elements))


def commit_bytes(codec: Codec | None, elements: int) -> int:
    """The bytes that a worker sends for a commit of `elements` float32 numbers."""
    if codec is None:
        return 4 * elements
    return sum(codec.num_bytes(b.stop - b.start) for b in blocks(elements))


class Residual:
    """The worker's side: `values`, float32[P], are what its commits have left out so far."""

    def __init__(self, codec: Codec, elements: int) -> None:
        self._codec = codec
        self.values = np.zeros(elements, np.float32)

    def take(self, update: np.ndarray) -> list[np.ndarray]:
        """Encode `update` plus what was left out before, block by block; keep the new remainder."""
        self.values += update
        sent = []
        for block in blocks(len(update)):
            sent.append(self._codec.encode(self.values[block]))
            self._codec.add(sent[-1], self.values[block], -1.0)
        return sent


class Known:
    """The server's side: `values`, float32[M, P], are the model as each worker knows it."""

    def __init__(self, codec: Codec, workers: int, elements: int) -> None:
        self._codec = codec
        self.values = np.zeros((workers, elements), np.float32)

    def told(self, worker: int, block: slice, values: np.ndarray) -> None:
        """Record that `worker` was sent a block of the model uncompressed."""
        self.values[worker, block] = values

    def tell(self, worker: int, block: slice, values: np.ndarray) -> np.ndarray:
        """Encode what `worker` has to add to a block of its copy to come close to `values`."""
        known = self.values[worker, block]
        data = self._codec.encode(values - known)
        self._codec.add(data, known)
        return data
