"""Raise a dropped Ctrl-C again.

Python raises KeyboardInterrupt wherever the main thread is. In a finalizer or a callback of the
garbage collector it goes to `sys.unraisablehook`, which prints a traceback, and the command goes
on.
"""

from __future__ import annotations

import signal
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
    scheduled: list[threading.Timer] = []

    def schedule() -> None:
        for timer in scheduled:
            timer.cancel()
        again = threading.Timer(RERAISE_SECONDS, _interrupt_main_thread)
        again.daemon = True
        scheduled[:] = [again]
        with suppress(RuntimeError):  # the interpreter ends already
            again.start()

    def report(dropped: UnraisableHookArgs) -> None:
        if dropped.exc_type is not KeyboardInterrupt:
            before(dropped)
            return
        try:
            schedule()
        except KeyboardInterrupt:  # raised again while this hook runs, so it is dropped here too
            schedule()

    sys.unraisablehook = report


def _interrupt_main_thread() -> None:
    """Send SIGINT to the main thread, which also ends a call that waits."""
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGINT)
