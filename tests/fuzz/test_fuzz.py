"""The fuzz targets without the fuzzer: the committed inputs, and some by chance, find nothing.
tests/fuzz/README.md has the rest.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fuzz import choices
from fuzz.targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long an input takes is for the fuzzer alone to say: it has the machine for itself."""
    monkeypatch.setattr(choices, "SECONDS", float("inf"))
    monkeypatch.setattr(choices, "LARGEST", 16 * 1024)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found_in_what_is_committed_and_in_what_comes_by_chance(name: str) -> None:
    folder = CORPUS / name
    chance = random.Random(name)
    inputs = [one.read_bytes() for one in sorted(folder.iterdir())] if folder.is_dir() else []
    inputs += [chance.randbytes(chance.choice([0, 10, 50, 300])) for _ in range(300)]
    for data in inputs:
        TARGETS[name](data)


def test_every_corpus_is_a_targets() -> None:
    assert {one.name for one in CORPUS.iterdir()} <= set(TARGETS)


def test_a_finding_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle of the provider rows knows a signature over nothing."""
    from senders import Sender

    from fuzz import rows

    monkeypatch.setattr(Sender, "verify", lambda *_: None)
    chance = random.Random(1)
    with pytest.raises(choices.Finding, match="what was not signed got in"):
        for _ in range(500):
            rows.signatures(chance.randbytes(60))


def test_what_takes_too_long_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "SECONDS", -1.0)
    with pytest.raises(choices.Finding, match="are allowed"):
        choices.bounded(10, lambda: None)


@pytest.mark.parametrize("is_refused", [False, True])
def test_what_takes_too_much_memory_is_a_finding(is_refused: bool) -> None:
    size = choices.MEASURED_BYTES

    def work() -> None:
        assert len(bytearray(2 * 1024 * 1024)) == (0 if is_refused else 2 * 1024 * 1024)

    with pytest.raises(choices.Finding, match="of memory"):
        choices.bounded(size, work)
