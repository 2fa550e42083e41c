"""Memory that a process shares with its forked children."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MADV_DONTNEED = 4  # https://man7.org/linux/man-pages/man2/madvise.2.html
M_ARENA_MAX = -8  # https://man7.org/linux/man-pages/man3/mallopt.3.html
# Bytes of the blocks that fill gaps of the heap: from below the size for which malloc maps memory,
# and every size of which it keeps freed blocks for each thread.
_GAP_BYTES = (*(1 << power for power in range(16, 10, -1)), *range(1032, 0, -16))
# The first line of a mapping, and how much of it is anonymous: in kB, not from a file.
_MAPPING: Final = re.compile(r"^([0-9a-f]+-.*)\n(?:[A-Z].*\n)*?Anonymous: +(\d+) kB$", re.MULTILINE)


def freeze_memory() -> None:
    """Free the garbage of the startup, and freeze the rest for the garbage collector: its first
    full collection in a child would write to all of it, and so copy it.
    """
    gc.collect()
    gc.freeze()


def shrink_memory() -> None:
    """Shrink the memory that is about to be shared with children, and keep it shared.

    Beyond `freeze_memory`, free the pages of files that only the startup needed, fill the gaps of
    the heap, and limit malloc to two arenas per process, since one per thread wastes memory.
    """
    freeze_memory()
    with contextlib.suppress(AttributeError, OSError):  # not glibc, not Linux
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        libc.mallopt(M_ARENA_MAX, 2)
        fill_gaps(libc)
        _drop_file_pages(libc)


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


def _drop_file_pages(libc: ctypes.CDLL) -> None:
    """Drop the pages of code and constants; the page cache has those that are used again."""
    for start, end in find_unchanged_files(Path("/proc/self/smaps").read_text()):
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)


def find_unchanged_files(smaps: str) -> Iterator[tuple[int, int]]:
    """Yield where the read-only mappings of files begin and end, from the text of a `smaps` file.

    Only those without anonymous pages: the loader writes addresses into some constants of a library
    before it makes them read-only. Format: https://man7.org/linux/man-pages/man5/proc_pid_smaps.5.html
    """
    for head, anonymous in _MAPPING.findall(smaps):
        span, mode, *_, name = head.split(maxsplit=5)
        if mode in {"r-xp", "r--p"} and name.startswith("/") and anonymous == "0":
            start, end = span.split("-")
            yield int(start, 16), int(end, 16)
