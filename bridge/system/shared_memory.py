"""Memory that a process shares with its forked children."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from pathlib import Path

MADV_DONTNEED = 4  # https://man7.org/linux/man-pages/man2/madvise.2.html
M_ARENA_MAX = -8  # https://man7.org/linux/man-pages/man3/mallopt.3.html


def freeze_memory() -> None:
    """Free the garbage of the startup, and freeze the rest for the garbage collector: its first
    full collection in a child would write to all of it, and so copy it.
    """
    gc.collect()
    gc.freeze()


def shrink_memory() -> None:
    """Shrink the memory that is about to be shared with children, and keep it shared.

    Beyond `freeze_memory`, free the code pages that only the startup needed, and limit malloc to
    two arenas per process, since one per thread wastes memory.
    """
    freeze_memory()
    with contextlib.suppress(AttributeError, OSError):  # not glibc, not Linux
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        libc.mallopt(M_ARENA_MAX, 2)
        _drop_code_pages(libc)


def _drop_code_pages(libc: ctypes.CDLL) -> None:
    """Drop the pages of machine code; the page cache has those that are used again."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_, name = line.split(maxsplit=5)
        if mode == "r-xp" and name.startswith("/"):
            start, end = (int(text, 16) for text in span.split("-"))
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)
