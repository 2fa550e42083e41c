"""Raise a dropped Ctrl-C again.

Python raises KeyboardInterrupt wherever the main thread is. In a finalizer or a callback of the
garbage collector it goes to `sys.unraisablehook`, which prints a traceback, and the command goes
on.
"""

from __future__ import annotations

import _thread
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

RERAISE_SECONDS: Final = 0.01  # until the finalizer should have ended


def reraise_interrupts() -> None:
    """Make this process raise a dropped KeyboardInterrupt again, until it takes effect."""
    before = sys.unraisablehook

    def report(dropped: UnraisableHookArgs) -> None:
        if dropped.exc_type is not KeyboardInterrupt:
            before(dropped)
            return
        again = threading.Timer(RERAISE_SECONDS, _thread.interrupt_main)
        again.daemon = True
        with suppress(RuntimeError):  # the interpreter ends already
            again.start()

    sys.unraisablehook = report
