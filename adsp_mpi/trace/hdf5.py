"""Writes tables into HDF5.

Every worker has four tables, and there can be thousands of workers: h5py's low-level interface
makes tables in a quarter of the time of its usual one.
"""

import json
from functools import cache

import h5py
import numpy as np
from h5py import h5a, h5d, h5p, h5s, h5t

from adsp_mpi.trace import schema

CHUNK_ROWS = 1 << 14
TINY_ROWS = 64


def write_table(
    file: h5py.File, path: str, columns: schema.Columns, rows: np.ndarray
) -> h5py.Dataset:
    """Write `rows` as one compound dataset, whose attribute `columns` holds the units as JSON.

    Its dimension is named `row`. A table that is not tiny is compressed and can grow.
    """
    dtype, stored_as, units = _layout(columns)
    space = h5s.create_simple((len(rows),), (h5s.UNLIMITED if _grows(rows) else len(rows),))
    made = h5d.create(file.id, path.encode(), stored_as, space, _storage(rows), _with_groups())
    if len(rows):
        made.write(h5s.ALL, h5s.ALL, rows.astype(dtype))
    described = h5a.create(made, b"columns", _text(), h5s.create(h5s.SCALAR))
    described.write(np.array(units, h5py.string_dtype()))
    dataset = h5py.Dataset(made)
    dataset.dims[0].label = "row"
    return dataset


def _grows(rows: np.ndarray) -> bool:
    return len(rows) > TINY_ROWS


def _storage(rows: np.ndarray) -> h5p.PropDCID:
    """How a table is stored: without times, so that the same rows give the same bytes."""
    storage = h5p.create(h5p.DATASET_CREATE)
    storage.set_obj_track_times(False)
    if _grows(rows):
        storage.set_chunk((min(len(rows), CHUNK_ROWS),))
        storage.set_shuffle()
        storage.set_deflate(1)
    return storage


@cache
def _with_groups() -> h5p.PropLCID:
    """Makes the groups in a table's path along with the table."""
    links = h5p.create(h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    return links


@cache
def _text() -> h5t.TypeID:
    return h5t.py_create(h5py.string_dtype(), logical=True)


@cache
def _layout(columns: schema.Columns) -> tuple[np.dtype, h5t.TypeID, str]:
    """The dtype of a table with these columns, in memory and in the file, and the units as JSON."""
    dtype = schema.numpy_dtype(columns)
    units = json.dumps({name: text for name, _, text in columns})
    return dtype, h5t.py_create(dtype, logical=True), units
