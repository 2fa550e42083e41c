"""The garbage collector pauses for the length of a block."""

from __future__ import annotations

import gc

import pytest

from bridge.system.garbage_collection import pause_collection


def test_collection_goes_on_after_the_block_and_after_an_error() -> None:
    assert gc.isenabled()
    with pytest.raises(ImportError), pause_collection():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()


def test_a_block_inside_another_enables_nothing() -> None:
    with pause_collection():
        with pause_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
