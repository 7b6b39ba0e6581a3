"""Compressed commits: nothing is lost for good, and the bytes are what is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsp_mpi.core.compression import (
    BLOCK_ELEMENTS,
    Codec,
    Known,
    Residual,
    blocks,
    commit_bytes,
    make_codec,
)

NAMES = ["float16", "bfloat16", "topk:0.01", "topk:0.3"]


def codec_named(name: str) -> Codec:
    codec = make_codec(name)
    assert codec
    return codec


def decoded(codec: Codec, values: list[float]) -> list[float]:
    found = np.zeros(len(values), np.float32)
    codec.add(codec.encode(np.array(values, np.float32)), found)
    return found.tolist()


def test_numbers_that_fit_are_kept_exactly() -> None:
    fit = [0.0, 1.0, -1.5, 0.25, -96.0]
    assert decoded(codec_named("float16"), fit) == fit
    assert decoded(codec_named("bfloat16"), fit) == fit


def test_rounding_by_hand() -> None:
    """float16 has 10 bits behind the point, bfloat16 7; a tie goes to the even one."""
    assert decoded(codec_named("float16"), [1 + 2**-11, 1 + 3 * 2**-11]) == [1.0, 1 + 2**-9]
    assert decoded(codec_named("bfloat16"), [1 + 2**-8, 1 + 3 * 2**-8]) == [1.0, 1 + 2**-6]
    assert decoded(codec_named("float16"), [1e6, -1e6]) == [65504.0, -65504.0]


def test_the_largest_are_sent() -> None:
    values = [0.1, -3.0, 0.2, 2.0, -0.3]
    assert decoded(codec_named("topk:0.4"), values) == pytest.approx([0, -3, 0, 2, 0])


def test_bytes_of_a_commit() -> None:
    assert commit_bytes(None, 1000) == 4000
    assert commit_bytes(make_codec("float16"), 1000) == 2000
    assert commit_bytes(make_codec("topk:0.01"), 1000) == 10 * 6
    two_blocks = BLOCK_ELEMENTS + 10
    assert commit_bytes(make_codec("topk:0.01"), two_blocks) == (656 + 1) * 6


@pytest.mark.parametrize("text", ["", "float32", "topk", "topk:0", "topk:1", "topk:nan", "topk:x"])
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="topk:SHARE"):
        make_codec(text)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32 - 1), commits=st.integers(1, 20), scale=st.floats(1e-3, 1e3))
def test_what_arrived_and_what_is_kept_are_all_updates(
    name: str, seed: int, commits: int, scale: float
) -> None:
    codec, generator, size = codec_named(name), np.random.default_rng(seed), 50
    residual, arrived = Residual(codec, size), np.zeros(size, np.float32)
    total = np.zeros(size)
    for _ in range(commits):
        update = (scale * generator.standard_normal(size)).astype(np.float32)
        total += update
        for block, data in zip(blocks(size), residual.take(update), strict=True):
            assert len(data) == codec.num_bytes(block.stop - block.start)
            codec.add(data, arrived[block])
    np.testing.assert_allclose(arrived + residual.values, total, atol=1e-5 * scale * commits)


@pytest.mark.parametrize("name", NAMES)
def test_both_ends_know_the_same_and_come_to_know_the_model(name: str) -> None:
    codec, generator, size = codec_named(name), np.random.default_rng(1), 300
    known, mine = Known(codec, 2, size), np.zeros(size, np.float32)
    model = generator.standard_normal(size).astype(np.float32)
    whole = slice(0, size)
    for _ in range(110):
        codec.add(known.tell(1, whole, model), mine)
        assert (mine == known.values[1]).all()
    np.testing.assert_allclose(mine, model, rtol=1e-6, atol=1e-7)
    assert not known.values[0].any()
