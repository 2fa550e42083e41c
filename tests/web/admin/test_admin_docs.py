"""docs/admin-api.md: the token that an example uses has the scope that its endpoint needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from folders import ROOT

from bridge.core.scopes import Scope, expand_scopes, parse_scopes
from bridge.web.admin.endpoints import ENDPOINTS

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEW_TOKEN = re.compile(r"^TOKEN=\$\(flowbridge token add \S+ --scope (\S+)")
CALL = re.compile(r"\badmin '?(/[^\s'?]*)(.*)")
METHOD = re.compile(r"-X (\w+)")


def examples() -> Iterator[tuple[str, str, frozenset[Scope]]]:
    """(method, path, scopes of the token) of each example, in the order of the page."""
    scopes: frozenset[Scope] = frozenset()
    text = (ROOT / "docs" / "admin-api.md").read_text("utf-8")
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if made := NEW_TOKEN.match(line):
                scopes = expand_scopes(parse_scopes(made[1]))
            for path, options in CALL.findall(line):
                given = METHOD.search(options)
                posts = "POST" if " -d " in options else "GET"
                yield given[1] if given else posts, path, scopes


def scope_of(method: str, path: str) -> Scope:
    """Return the scope of the endpoint that answers a request."""
    for one in ENDPOINTS:
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(one.path))
        if one.method == method and re.fullmatch(pattern, path):
            return one.scope
    raise AssertionError(f"no endpoint answers {method} {path}")


def test_each_example_has_a_token_with_the_scope_of_its_endpoint() -> None:
    found = list(examples())
    assert len(found) > 10
    for method, path, scopes in found:
        assert scope_of(method, path) in scopes, f"{method} {path}"
