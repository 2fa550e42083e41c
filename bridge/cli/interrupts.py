"""Raise a Ctrl-C again that Python has dropped.

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

RERAISE_SECONDS: Final = 0.01  # after which the finalizer should be over


def reraise_interrupts() -> None:
    """Have this process raise a dropped KeyboardInterrupt again soon, until it is not dropped."""
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
