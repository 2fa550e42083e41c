"""Locks by name: a lock that is taken is neither given nor freed a second time."""

from __future__ import annotations

import pytest

from bridge.web.process_locks import ProcessLocks


def test_a_lock_is_held_until_the_end_of_the_block() -> None:
    locks = ProcessLocks()
    with locks.hold("a") as first:
        with locks.hold("a") as second, locks.hold("b") as other:
            assert (first, second, other) == (True, False, True)
        with locks.hold("a") as third:
            assert not third, "it was freed by one that did not hold it"
    with pytest.raises(RuntimeError), locks.hold("a") as fourth:
        assert fourth
        raise RuntimeError
    with locks.hold("a") as fifth:
        assert fifth
