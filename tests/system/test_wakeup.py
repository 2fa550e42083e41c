"""The bell: who rings wakes whoever sleeps, however many ring, and whatever became of them."""

from __future__ import annotations

import os
import select
import threading
import time

import pytest

from bridge.system.wakeup import Broadcast, Wake


def test_a_ring_is_heard_now_or_the_next_time() -> None:
    wake = Wake()
    wake.notify()
    assert wake.wait(60.0)
    assert not wake.wait(0.0), "it was heard"
    threading.Timer(0.02, wake.notify).start()
    assert wake.wait(60.0)


def test_many_rings_are_one_call_into_the_kernel_and_heard_as_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wake = Wake()
    written = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(data) or write(fd, data))
    for _ in range(1000):
        wake.notify()
    assert (len(written), wake.wait(60.0), wake.wait(0.0)) == (1, True, False)
    wake.notify()
    assert (len(written), wake.wait(60.0)) == (2, True)


def test_who_dies_in_the_middle_of_ringing_is_not_waited_for() -> None:
    wake = Wake()
    wake._seen[-1] = True  # rung, and nothing was written
    wake.notify()
    assert not wake.wait(0.01), "nobody wrote"
    wake.notify()
    assert wake.wait(60.0)


@pytest.mark.usefixtures("new_processes")
def test_no_ring_is_lost_between_processes() -> None:
    """The sleeper is slow, so that others ring at every moment of its turn; what they did before
    they rang it sees after it woke.
    """
    wake = Wake()
    done = Wake()
    rings = 20_000
    read, written = os.pipe()
    heard = select.poll()
    heard.register(read, select.POLLIN)
    child = os.fork()
    if child == 0:
        for _ in range(rings):
            os.write(written, b"x")  # the work
            wake.notify()
        done.notify()
        os._exit(0)
    seen = 0
    waited_in_vain = 0
    began = time.monotonic()
    while seen < rings and time.monotonic() - began < 120:
        waited_in_vain += not wake.wait(60.0)
        while heard.poll(0):
            seen += len(os.read(read, 65536))
    os.waitpid(child, 0)
    assert (seen, waited_in_vain) == (rings, 0)
    assert done.wait(0.0)


@pytest.mark.usefixtures("new_processes")
def test_a_broadcast_wakes_each_process_once() -> None:
    broadcast = Broadcast()
    listeners = [broadcast.listen() for _ in range(2)]
    assert not any(listener.poll(0) for listener in listeners)
    for _ in range(2):
        child = os.fork()
        if child == 0:
            broadcast.send()
            broadcast.send()
            os._exit(0)
        os.waitpid(child, 0)
        assert all(listener.poll(60) for listener in listeners)
        assert not any(listener.poll(0) for listener in listeners), "nothing was sent since"
    late = broadcast.listen()
    assert late.poll(0), "something was sent before it listened"
    assert not late.poll(0)
