"""A fixture: a small file system in memory, that can be filled and emptied. Only root can mount
one.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.torture.disk import SmallDisk

SIZE = 24  # MiB; a twentieth of it is not for new events


@pytest.fixture
def small(tmp_path: Path, new_processes: None) -> Iterator[SmallDisk]:
    """A small disk that can be filled and emptied."""
    place = tmp_path / "small"
    place.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", place],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(place)
    finally:
        subprocess.run(["umount", "-l", place], check=True)
