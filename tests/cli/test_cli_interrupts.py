"""Ctrl-C ends a command also where Python drops the exception, as in a finalizer."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("new_processes")

CODE = """
import gc, signal, sys, time, weakref
from bridge.cli.interrupts import reraise_interrupts

class Finalized:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

class Node:
    pass

def finalize(_reference=None):
    signal.raise_signal(signal.SIGINT)

reraise_interrupts()
try:
    {drop}
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit(130)
"""
DROPS = {
    "finalizer": "one = Finalized(); del one",
    "two in a row": "one, two = Finalized(), Finalized(); del one; del two",
    "weak reference": "node = Node(); reference = weakref.ref(node, finalize); del node",
    "garbage collector": (
        "node = Node(); node.self, node.one = node, Finalized(); del node; gc.collect()"
    ),
}


@pytest.mark.parametrize("drop", DROPS.values(), ids=DROPS)
def test_a_dropped_interrupt_is_raised_again(drop: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", CODE.format(drop=drop)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (130, "")


def test_other_errors_of_finalizers_are_reported_as_before() -> None:
    code = CODE.replace("signal.raise_signal(signal.SIGINT)", "raise ValueError('lost')").replace(
        "time.sleep(60)", "sys.exit(0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code.format(drop=DROPS["finalizer"])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0 and "ValueError: lost" in result.stderr
