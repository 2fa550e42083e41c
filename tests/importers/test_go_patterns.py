"""Patterns of Go, in the syntax of routes.yaml."""

from __future__ import annotations

import pytest

from bridge.core.errors import CompileError
from bridge.core.linear_regex import Pattern
from bridge.importers.go_patterns import translate_pattern


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("^main$", ["main"], ["main\n", "amain"]),
        (r"^\d+$", ["12"], ["١٢", ""]),
        (r"\bcafé\b", [], ["café"]),  # é is no word character in Go, so no boundary follows it
        (r"^[\w.-]+\z", ["a.b-c_1"], ["é"]),
        (r"^[^\s]+$", ["a\u00a0b"], ["a b"]),
        (r"^[\D]$", ["é", "a"], ["1"]),
        (r"^[\S\d]$", ["é", "1"], [" ", "\n"]),
        ("[[:upper:]][[:digit:]]", ["A1"], ["a1"]),
        (r"^\Qa.b\E$", ["a.b"], ["axb"]),
        (r"^\x{41}\x42$", ["AB"], ["ab"]),
        ("(?i)^MAIN$", ["main"], ["mains"]),
        ("(?m)^b$", ["a\nb\nc"], ["ab"]),
        ("(?U)a+b", ["aab"], ["b"]),
        ("(?i:A)b", ["ab", "Ab"], ["aB"]),
        ("(?P<kind>a|b)c", ["ac"], ["cc"]),
        ("a{,2}", ["a{,2}"], ["aa"]),
        ("a{2,3}$", ["aa"], ["a"]),
        ("[[a&&b]", ["[", "&"], ["c"]),
        (r"^refs/(heads|tags)/v\d+\.\d+$", ["refs/tags/v1.2"], ["refs/tags/v1-2"]),
    ],
)
def test_patterns_match_the_same_texts(pattern: str, matches: list[str], others: list[str]) -> None:
    found = Pattern(translate_pattern(pattern))
    assert [text for text in matches if not found.search(text)] == []
    assert [text for text in others if found.search(text)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?=a)b",
        r"a(?i)b",
        r"\pL",
        r"\p{Greek}",
        r"(a)\1",
        "[a",
        "(a",
        r"\Z",
        r"[[:^alpha:]]",
        "a**",
        "\\",
    ],
)
def test_other_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(CompileError):
        translate_pattern(pattern)
