"""A Python program that works on untrusted data, started apart from the secrets of this process.

Its environment is empty, and it is a new program: the caller has secrets and may have threads. The
program itself must then limit its process and close what it does not need: see
`bridge.system.process_limits` and `bridge.system.seccomp`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PACKAGE_ROOT: Final = str(Path(__file__).resolve().parents[2])


def start_program(
    program: str, *arguments: str, stdin: int, stdout: int
) -> subprocess.Popen[bytes]:
    """Start a program of ours: its first argument is the folder of this package.

    `stdin` and `stdout`: a descriptor, or `subprocess.PIPE`. It writes to no stderr.
    """
    return subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-I", "-c", program, PACKAGE_ROOT, *arguments],
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        env={},
        cwd="/",
        start_new_session=True,
    )


@contextmanager
def open_memory_file(content: bytes = b"") -> Iterator[int]:
    """Yield the descriptor of an anonymous in-memory file with these bytes, at its beginning."""
    descriptor = os.memfd_create("isolated", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)
