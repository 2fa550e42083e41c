"""The memory that children share with their parent stays shared."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bridge.system.shared_memory import find_unchanged_files

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


@pytest.mark.usefixtures("new_processes")
@pytest.mark.skipif(sys.platform != "linux", reason="the heap of glibc")
def test_after_the_gaps_are_filled_blocks_are_at_the_end_of_the_heap() -> None:
    said = subprocess.run([sys.executable, "-c", FILL], text=True, capture_output=True, check=True)
    assert said.stdout.split() == ["True", "False"]


MAPPINGS = """\
7f01-7f02 r-xp 00001000 fe:00 1 /usr/lib/libone.so
Rss:                   4 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me sd
7f02-7f03 r--p 00002000 fe:00 1 /usr/lib/lib two.so
Private_Clean:         4 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
7f03-7f04 r--p 00003000 fe:00 1 /usr/lib/libone.so
Anonymous:             4 kB
7f04-7f05 rw-p 00004000 fe:00 1 /usr/lib/libone.so
Anonymous:             0 kB
7f05-7f06 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
7f06-7f07 r--p 00000000 00:00 0
Anonymous:             0 kB
"""


def test_pages_are_dropped_only_where_the_file_still_has_them() -> None:
    """The third is what the loader has written to, and is all that a process has of it."""
    assert list(find_unchanged_files(MAPPINGS)) == [(0x7F01, 0x7F02), (0x7F02, 0x7F03)]


#: Drops pages of its own libraries, and uses what they hold.
DROP = """
import hashlib, sqlite3, ssl, unicodedata
from pathlib import Path
from bridge.system.shared_memory import shrink_memory

def kept(name):
    text = Path("/proc/self/smaps").read_text().split(name)[1:]
    return max(int(part.split("Rss:")[1].split()[0]) for part in text)

unicodedata.name("x")
before = kept("unicodedata")
shrink_memory()
print(kept("unicodedata") < before)
print(unicodedata.name("x"), sqlite3.connect(":memory:").execute("SELECT 1").fetchone()[0],
      hashlib.sha256(b"").hexdigest()[:8], type(ssl.create_default_context()).__name__)
"""


@pytest.mark.usefixtures("new_processes")
@pytest.mark.skipif(sys.platform != "linux", reason="the mappings of Linux")
def test_a_process_reads_again_what_it_has_dropped() -> None:
    said = subprocess.run([sys.executable, "-c", DROP], text=True, capture_output=True, check=True)
    assert said.stdout.splitlines() == ["True", "LATIN SMALL LETTER X 1 e3b0c442 SSLContext"]
