"""The part of one rank: a log of frames to which a running rank only appends.

HDF5 rewrites its own index whenever a table grows, and a process killed in that moment leaves a
file that nobody can open. Here a kill can only cut off the last frame; all frames before are whole.

    MAGIC, then frames:  head bytes, payload bytes, CRC-32 of both (three little-endian u4)
                         head: JSON that describes the payload; payload: bytes

A head has the keys {"rank"}, {"table", "columns"}, {"attributes", "values"} or {"rows", "count"}.
Only the last kind has a payload: rows of the table's dtype, deflated, with bytes of equal
significance side by side; for a table with variable-length text, JSON.
"""

import json
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Sequence

import numpy as np

from adsp_mpi.errors import AdspError
from adsp_mpi.trace import schema

SUFFIX = ".part"
MAGIC = b"adsp_mpi part 1\n"
_SIZES = struct.Struct("<III")
_TYPES = re.compile(r"[fiu][1248]|S[1-9]\d{0,3}|str")


@dataclass(frozen=True)
class Frame:
    head: dict[str, Any]
    payload: bytes
    end: int
    """Where the next frame begins, in bytes from the start of the file."""


def part_paths(folder: Path) -> list[Path]:
    """The paths of the parts of the run in `folder`, by rank."""
    return sorted((folder / schema.PARTS_NAME).glob(f"rank-*{SUFFIX}"))


def pack(head: dict[str, Any], payload: bytes = b"") -> bytes:
    """The bytes of one frame; numpy numbers and arrays in `head` become numbers and lists."""
    text = json.dumps(head, default=lambda value: value.tolist()).encode()
    crc = zlib.crc32(payload, zlib.crc32(text))
    return _SIZES.pack(len(text), len(payload), crc) + text + payload


def pack_rows(path: str, columns: schema.Columns, rows: Sequence[schema.Row]) -> bytes:
    """The bytes of a frame with rows of the table `path`."""
    head = {"rows": path, "count": len(rows)}
    if _has_text(columns):
        return pack(head, json.dumps(rows).encode())
    array = np.array(rows, schema.numpy_dtype(columns))
    by_significance = array.view(np.uint8).reshape(len(rows), array.itemsize).T.tobytes()
    return pack(head, zlib.compress(by_significance, 1))


def unpack_rows(frame: Frame, columns: schema.Columns) -> np.ndarray:
    """The rows in a frame, a structured array; ValueError if they contradict the head."""
    dtype, count = schema.numpy_dtype(columns), int(frame.head["count"])
    if _has_text(columns):
        return np.array([tuple(row) for row in json.loads(frame.payload)], dtype)
    try:
        flat = np.frombuffer(zlib.decompress(frame.payload), np.uint8)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    return np.ascontiguousarray(flat.reshape(dtype.itemsize, count).T).view(dtype)[:, 0]


def read_frames(path: Path, start: int = 0) -> Iterator[Frame]:
    """Yield the frames of a part from byte `start` on, up to the first unfinished or damaged one.

    Raises AdspError for a file that is not a part, OSError if it cannot be read.
    """
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
        if not MAGIC.startswith(magic):
            raise AdspError(f"{path}: not a part of a trace that this program wrote")
        file.seek(max(start, len(MAGIC)))
        while frame := _read_frame(file):
            yield frame


def columns_of(head: dict[str, Any]) -> schema.Columns:
    """The columns in a table's head; ValueError for types that no table has."""
    columns = tuple((str(n), str(t), str(u)) for n, t, u in head["columns"])
    for name, kind, _ in columns:
        if not _TYPES.fullmatch(kind):
            raise ValueError(f"column {name} of type {kind!r}")
    return columns


def _read_frame(file: Any) -> Frame | None:
    sizes = file.read(_SIZES.size)
    if len(sizes) < _SIZES.size:
        return None
    head_bytes, payload_bytes, crc = _SIZES.unpack(sizes)
    body = file.read(head_bytes + payload_bytes)
    if len(body) < head_bytes + payload_bytes or zlib.crc32(body) != crc:
        return None
    return Frame(json.loads(body[:head_bytes]), body[head_bytes:], file.tell())


def _has_text(columns: schema.Columns) -> bool:
    return any(kind == "str" for _, kind, _ in columns)
