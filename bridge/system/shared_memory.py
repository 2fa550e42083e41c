"""The memory of a process that others are forked from."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from pathlib import Path

MADV_DONTNEED = 4  # https://man7.org/linux/man-pages/man2/madvise.2.html
M_ARENA_MAX = -8  # https://man7.org/linux/man-pages/man3/mallopt.3.html


def save_memory() -> None:
    """Make what is about to be shared with the children small, and keep it shared.

    The garbage of starting goes back to the system, and so does the code that only starting needed;
    the collector leaves the rest alone, since it would write to it; and the threads of each process
    share two of malloc's arenas, as one for each is memory for nothing.
    """
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError, OSError):  # not glibc, not Linux
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        libc.mallopt(M_ARENA_MAX, 2)
        _let_go_of_code(libc)


def _let_go_of_code(libc: ctypes.CDLL) -> None:
    """Unmap the pages of machine code: those that are used again come back from the page cache, as
    code is never written to.
    """
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_, name = line.split(maxsplit=5)
        if mode == "r-xp" and name.startswith("/"):
            start, end = (int(text, 16) for text in span.split("-"))
            libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED)
