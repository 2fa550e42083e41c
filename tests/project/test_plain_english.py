"""Docs, help, messages and docstrings use the words of the field.

The list is short on purpose: words that hide who does what, or that readers of technical English
do not expect. A place that needs one of them is listed in `plain_english_allowed.txt`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from folders import DOCS, ROOT

INSTEAD = {
    r"nobody|no one else": "name what does not do it, or use the passive",
    r"somebody|someone else's": "a person, anyone, another user",
    r"whoever|who ever": "anyone who",
    r"anew": "again, new",
    r"mend(s|ed|ing)?": "fix",
    r"(is|are|was|were|be|been|being) told": "is reported, is notified, knows",
    r"tells? of": "reports",
    r"(is|are|was|were|be|been) kept": "is stored",
    r"what is kept": "stored data",
    r"held to be": "marked as, considered",
    r"lets? go of": "delete, release",
    r"letter (by|for) letter": "exactly",
    r"goes by": "follows, uses",
    r"stood still|stands still": "stalled",
    r"unless (it says|said) otherwise": "by default",
}
WORDS = re.compile(rf"\b({'|'.join(INSTEAD)})\b", re.IGNORECASE)
CODE = re.compile(r"`[^`]*`|--[a-z-]+")  # an option keeps its name
ALLOWED = Path(__file__).with_name("plain_english_allowed.txt")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
MODULES = [
    path
    for path in sorted((ROOT / "bridge").rglob("*.py"))
    if "migrations/versions" not in path.as_posix() and "translations" not in path.parts
]


def allowed() -> set[str]:
    lines = ALLOWED.read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def prose(page: Path) -> Iterator[str]:
    """Yield each line of a page without code blocks; text in backticks is replaced by `…`."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    for line in text.splitlines():
        yield CODE.sub("`…`", line)


def texts(path: Path) -> Iterator[str]:
    """Yield the first sentence of each docstring, and every other text of three words or more."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                docstrings[id(node.body[0].value)] = text  # type: ignore[attr-defined]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = docstrings.get(id(node))
            if text is not None:
                yield re.split(r"(?<=[.!?:])\s|\n\n", text.strip())[0]
            elif len(node.value.split()) > 2:
                yield from CODE.sub("`…`", node.value).splitlines()


def found(place: str, lines: Iterator[str]) -> Iterator[str]:
    """Yield `PLACE: the words around it` for each word of the list."""
    for line in lines:
        for one in WORDS.finditer(line):
            around = " ".join(line[max(one.start() - 30, 0) : one.end() + 30].split())
            yield f"{place}: {around}"


@cache
def in_docs() -> list[str]:
    return [line for page in PAGES for line in found(page.name, prose(page))]


@cache
def in_code() -> list[str]:
    return [
        line for path in MODULES for line in found(path.relative_to(ROOT).as_posix(), texts(path))
    ]


def test_docs_use_the_words_of_the_field() -> None:
    assert sorted(set(in_docs()) - allowed()) == []


def test_messages_and_docstrings_use_the_words_of_the_field() -> None:
    assert sorted(set(in_code()) - allowed()) == []


def test_every_allowed_place_exists() -> None:
    assert sorted(allowed() - {*in_docs(), *in_code()}) == []


@pytest.mark.parametrize("text", ["Nobody is told.", "what is kept", "It was mended anew."])
def test_the_list_finds_what_it_is_for(text: str) -> None:
    assert list(found("here", iter([text])))
