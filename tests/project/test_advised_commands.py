"""Each command that advice names exists, and a test acts it out or a person has to.

A place is a call of `name_command`: its module, its function and the words of the command.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

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


@pytest.mark.parametrize("place", sorted(place for place in find_places() if place[-1] != "*"))
def test_the_command_exists_with_its_options(place: str) -> None:
    command: click.Command = group
    for word in place.partition(" ")[2].split():
        assert isinstance(command, click.Group)
        inner = command.get_command(click.Context(command), word)
        assert inner is not None, word
        command = inner
    names = {
        name for option in command.params for name in (*option.opts, *option.secondary_opts)
    } | {"--help"}
    for call in find_places()[place]:
        for keyword in call.keywords:
            if keyword.arg is not None:
                assert f"--{keyword.arg.rstrip('_').replace('_', '-')}" in names, keyword.arg
