"""Each command that advice names exists, and a test acts it out or a person has to.

A place is a call of `name_command`: its module, its function and the words of the command.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import click
import pytest
from advice_places import ACTED_OUT, BY_HAND

import bridge
from bridge.cli.main import group

ROOT = Path(bridge.__file__).parent
TESTS = Path(__file__).parents[1]
SCOPES = ast.FunctionDef | ast.ClassDef


@cache
def find_places() -> dict[str, list[ast.Call]]:
    """Return the calls of `name_command` in the package, by place."""
    places: dict[str, list[ast.Call]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        source = path.read_text()
        if "name_command(" in source and path.name != "advice.py":
            module = path.relative_to(ROOT).with_suffix("").as_posix()
            for scope, call in _find_calls(ast.parse(source), ()):
                words = call.args[0].value if isinstance(call.args[0], ast.Constant) else "*"
                name = ".".join(scope) or "*"
                places.setdefault(f"{module}:{name} {words}", []).append(call)
    return places


def _find_calls(
    node: ast.AST, scope: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], ast.Call]]:
    for child in ast.iter_child_nodes(node):
        inner = (*scope, child.name) if isinstance(child, SCOPES) else scope
        if (
            isinstance(child, ast.Call)
            and isinstance(child.func, ast.Name)
            and child.func.id == "name_command"
        ):
            yield scope, child
        yield from _find_calls(child, inner)


def test_each_place_is_acted_out_or_for_a_person() -> None:
    assert not set(ACTED_OUT) & set(BY_HAND)
    assert set(find_places()) == set(ACTED_OUT) | set(BY_HAND)


@pytest.mark.parametrize("test", sorted(set(ACTED_OUT.values())))
def test_the_tests_that_act_them_out_exist(test: str) -> None:
    file, name = test.split("::")
    assert f"\ndef {name}(" in (TESTS / file).read_text()


def _list_options(command: click.Command) -> set[str]:
    names = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    return names | {"--help"}


@pytest.mark.parametrize("place", sorted(place for place in find_places() if place[-1] != "*"))
def test_the_command_exists_with_its_options(place: str) -> None:
    command: click.Command = group
    for word in place.partition(" ")[2].split():
        assert isinstance(command, click.Group)
        inner = command.get_command(click.Context(command), word)
        assert inner is not None, word
        command = inner
    names = _list_options(command)
    for call in find_places()[place]:
        for keyword in call.keywords:
            if keyword.arg is not None:
                assert f"--{keyword.arg.rstrip('_').replace('_', '-')}" in names, keyword.arg


#: A command in a text, up to the end of the sentence or the quotation; `…` stands for a value.
MENTION: Final = re.compile(r"\bflowbridge((?: (?:--)?[\w{}<>./=@…-]+)+)")


def find_mentions() -> Iterator[tuple[str, list[str]]]:
    """Yield the words of each command in a text of the package, with the file."""
    for path in sorted(ROOT.rglob("*.py")):
        for text in _find_texts(ast.parse(path.read_text())):
            yield from ((str(path), found[1].split()) for found in MENTION.finditer(text))
    for path in sorted(ROOT.rglob("*.html")):
        for found in MENTION.finditer(path.read_text()):
            yield str(path), found[1].split()


def _find_texts(tree: ast.Module) -> Iterator[str]:
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "…" for part in node.values
            )
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner
        ):
            yield from node.value.split("\n")


def test_each_command_in_a_text_exists_with_its_options() -> None:
    count = 0
    for file, words in find_mentions():
        command: click.Command = group
        for word in words:
            inner = (
                command.get_command(click.Context(command), word)
                if isinstance(command, click.Group)
                else None
            )
            if inner is None:
                break
            command = inner
        if command is not group:
            count += 1
            options = {
                word.partition("…")[0].rstrip(".") for word in words if word.startswith("--")
            }
            assert options <= _list_options(command), (file, command.name, words)
    assert count > 300
