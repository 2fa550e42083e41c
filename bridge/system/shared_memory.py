"""Memory that a process shares with its forked children."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from pathlib import Path

MADV_DONTNEED = 4  # https://man7.org/linux/man-pages/man2/madvise.2.html
M_ARENA_MAX = -8  # https://man7.org/linux/man-pages/man3/mallopt.3.html
# Bytes of the blocks that fill gaps of the heap: from below the size for which malloc maps memory,
# and every size of which it keeps freed blocks for each thread.
_GAP_BYTES = (*(1 << power for power in range(16, 10, -1)), *range(1032, 0, -16))


def freeze_memory() -> None:
    """Free the garbage of the startup, and freeze the rest for the garbage collector: its first
    full collection in a child would write to all of it, and so copy it.
    """
    gc.collect()
    gc.freeze()


def shrink_memory() -> None:
    """Shrink the memory that is about to be shared with children, and keep it shared.

    Beyond `freeze_memory`, free the code pages that only the startup needed, fill the gaps of the
    heap, and limit malloc to two arenas per process, since one per thread wastes memory.
    """
    freeze_memory()
    with contextlib.suppress(AttributeError, OSError):  # not glibc, not Linux
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        libc.mallopt(M_ARENA_MAX, 2)
        fill_gaps(libc)
        _drop_code_pages(libc)


def fill_gaps(libc: ctypes.CDLL) -> None:
    """Allocate the gaps that the startup left in the heap, so that children do not write to them.

    A child would place its small blocks into them, and each would copy a shared page. The blocks
    are never used or freed, and take no memory of their own: these pages are in use already.
    """
    allocate, end_of_heap = libc.malloc, libc.sbrk
    allocate.argtypes, allocate.restype = [ctypes.c_size_t], ctypes.c_size_t
    end_of_heap.argtypes, end_of_heap.restype = [ctypes.c_ssize_t], ctypes.c_size_t
    end = end_of_heap(0)
    for size in _GAP_BYTES:
        while 0 < allocate(size) < end:
            pass


def _drop_code_pages(libc: ctypes.CDLL) -> None:
    """Drop the pages of machine code; the page cache has those that are used again."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_, name = line.split(maxsplit=5)
        if mode == "r-xp" and name.startswith("/"):
            start, end = (int(text, 16) for text in span.split("-"))
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)
