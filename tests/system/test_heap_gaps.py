"""The memory that children share with their parent stays shared."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Leaves gaps of many sizes in the heap, fills them, and prints where further blocks are placed.
FILL = """
import ctypes
from bridge.system.shared_memory import fill_gaps

libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_size_t
libc.sbrk.argtypes, libc.sbrk.restype = [ctypes.c_ssize_t], ctypes.c_size_t
libc.free.argtypes = [ctypes.c_size_t]
blocks = [libc.malloc(size) for size in range(600, 3000) for _ in range(2)]
for block in blocks[::2]:
    libc.free(block)
end = max(blocks)
print(libc.malloc(2500) < end)
fill_gaps(libc)
print(any(libc.malloc(size) < end for size in (2500, 2000, 600, 100)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the heap of glibc")
def test_after_the_gaps_are_filled_blocks_are_at_the_end_of_the_heap() -> None:
    said = subprocess.run([sys.executable, "-c", FILL], text=True, capture_output=True, check=True)
    assert said.stdout.split() == ["True", "False"]
