"""The routes that two configurations have in common: planning them once changes no result."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.loader import load
from bridge.ingest.plan_comparison import SharedRoutes, find_shared_routes
from bridge.routing.model import Config

TEXT = """version: 1
platforms: {local: {type: local}}
sources:
  github: {provider: github, secret: "${env:S}"}
  other: {provider: github, secret: "${env:S}"}
flows: {named: {platform: local, saved_item_id: echo}}
routes:
  - {name: a, on: github, inputs: {n: 1}, flow: named}
  - {name: b, on: github, inputs: {n: "${body.n}"}, flow: [local/echo, local/fail]}
  - {name: c, on: github, payload_schema: any.json, inputs: {n: 2}, flow: local/echo}
"""
ALL = frozenset({"a", "b", "c"})


def config(folder: Path, text: str, schema: str = "{}") -> Config:
    (folder / "any.json").write_text(schema)
    (folder / "routes.yaml").write_text(text)
    return load(folder / "routes.yaml", {}, strict_secrets=False)


@pytest.mark.parametrize(
    ("old", "new", "routes"),
    [
        ("version: 1", "version: 1", ALL),
        ("n: 1", "n: 1.0", ALL - {"a"}),
        ("n: 1", "n: true", ALL - {"a"}),
        ("saved_item_id: echo", "saved_item_id: fail", ALL - {"a"}),
        ("name: b", "name: d", ALL - {"b"}),
        ("[local/echo, local/fail]", "[local/fail, local/echo]", ALL - {"b"}),
        ("name: c,", "name: c, mode: shadow,", ALL - {"c"}),
        ("other: {provider: github", "other: {provider: gitlab", ALL),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_decides_a_delivery_is_compared(
    tmp_path: Path, old: str, new: str, routes: frozenset[str]
) -> None:
    assert old in TEXT
    before = config(tmp_path, TEXT)
    after = config(tmp_path, TEXT.replace(old, new))
    assert find_shared_routes(before, after, "github") == SharedRoutes(True, routes)


def test_another_source_or_schema_shares_nothing(tmp_path: Path) -> None:
    before = config(tmp_path, TEXT)
    limited = TEXT.replace("github: {provider: github", "github: {max_depth: 9, provider: github")
    assert find_shared_routes(before, config(tmp_path, limited), "github") == SharedRoutes()
    assert find_shared_routes(before, config(tmp_path, TEXT, "true"), "github") == SharedRoutes()
    assert find_shared_routes(before, before, "unknown") == SharedRoutes()
    bare = Config(sources={}, routes=(), flows={}, platforms={}, hash="", canonical="")
    assert find_shared_routes(before, bare, "github") == SharedRoutes()
