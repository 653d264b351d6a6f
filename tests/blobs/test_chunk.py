"""Content is cut where it says so itself: the same way each time, changed no further than it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsml_core.blobs.chunk import BLOB_BYTES_MAX, cut
from tests.blobs.folders import noise

MB = 1 << 20


def _cut(content: bytes, window: int) -> list[int]:
    """Cut as a lane does: what a window does not decide is looked at again with the next."""
    sizes: list[int] = []
    start = end = 0
    while end < len(content) or not sizes:
        end = min(len(content), end + window)
        view = memoryview(content)[start:end]
        for size in cut(view, is_end=end == len(content)):
            sizes.append(size)
            start += size
        if end == len(content):
            break
    assert start == len(content)
    return sizes


def test_nothing_has_no_blobs() -> None:
    assert list(cut(memoryview(b""), is_end=True)) == []


def test_small_files_are_one_blob() -> None:
    assert list(cut(memoryview(noise(256 << 10)), is_end=True)) == [256 << 10]


def test_cuts_are_part_of_the_format() -> None:
    """Other cuts would find nothing of what is stored already."""
    sizes = [1_276_868, 388_073, 1_278_661, 1_984_349, 533_051, 830_454]

    assert _cut(noise(6 * MB), 8 * MB) == sizes


@pytest.mark.parametrize("content", [noise(20 * MB), bytes(20 * MB), b"ab" * (10 * MB)])
def test_blobs_are_of_bearable_size(content: bytes) -> None:
    sizes = _cut(content, 8 * MB)

    assert max(sizes) <= BLOB_BYTES_MAX
    assert min(sizes[:-1]) >= 256 << 10


@given(st.integers(min_value=1, max_value=9 * MB), st.integers(min_value=0, max_value=9 * MB))
def test_windows_do_not_matter(window: int, size: int) -> None:
    content = _NOISE[:size]

    assert _cut(content, max(window, 1_000_000)) == _cut(content, 16 * MB)


_NOISE = noise(9 * MB, 7)


@pytest.mark.parametrize("at", [0, 5 * MB, 19 * MB])
def test_insertion_changes_few_blobs(at: int) -> None:
    content = noise(20 * MB)
    changed = content[:at] + b"inserted" + content[at:]

    before, after = _blobs(content), _blobs(changed)

    assert len(after - before) <= 3


def _blobs(content: bytes) -> set[bytes]:
    blobs: set[bytes] = set()
    start = 0
    for size in _cut(content, 8 * MB):
        blobs.add(content[start : start + size])
        start += size
    return blobs
