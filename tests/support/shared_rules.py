"""Creates applications whose rules were compiled before: each test has an application of its own,
and to compile its rules takes longer than all else.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from bridge.web import app
from bridge.web.app_context import AppContext

_builders: dict[tuple[object, ...], Any] = {}
_compile = Rule._compile_builder


def _compile_once(rule: Rule, append_unknown: bool = True) -> Any:
    """Return what makes URLs by a rule; it has nothing of the application."""
    key = rule.rule, str(rule.defaults), rule.subdomain, rule.host, append_unknown
    if key not in _builders:
        _builders[key] = _compile(rule, append_unknown)
    return _builders[key]


def create_app(context: AppContext) -> Flask:
    """Return an application."""
    Rule._compile_builder = _compile_once  # type: ignore[method-assign]
    try:
        return app.create_app(context)
    finally:
        Rule._compile_builder = _compile  # type: ignore[method-assign]
