"""Expressions of n8n that read one value of the request, and texts that contain them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.core.model import JSON
from bridge.importers.hook_references import MASKED_HEADERS, NotCarried, Reference
from bridge.importers.n8n_values import read_number
from bridge.importers.secret_texts import is_known_secret

_QUOTED = r"\"[^\"]*\"|'[^']*'"
_ROOT = re.compile(
    rf"=\{{\{{\s*(?:\$json|\$node\[(?P<node>{_QUOTED})\]\.json"
    rf"|\$\((?P<named>{_QUOTED})\)\.(?:item|first\(\)|last\(\))\.json)(?P<steps>[^{{}}]*?)\s*\}}\}}"
)
_STEP = re.compile(
    r"\??\.(?P<name>[A-Za-z_$][\w$]*)|(?:\?\.)?\[(?:\"(?P<double>[^\"\\]*)\"|'(?P<single>[^'\\]*)'"
    r"|(?P<index>[0-9]{1,6}))\]"
)
_HOLE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_NO_PATH = "it uses an expression other than a path below $json"


def is_expression(value: Any) -> bool:
    """Return whether n8n evaluates a parameter, rather than using it as it is."""
    return isinstance(value, str) and ("{{" in value or value.startswith("="))


def read_expression(text: Any) -> Reference:
    """Return the place that `{{ $json.body.x }}` names; `NotCarried` for another expression."""
    if isinstance(text, str) and text.strip() != text and _ROOT.fullmatch(text.strip()):
        raise NotCarried("n8n adds the spaces around the expression to its value")
    _, steps = _split(text)
    return _find_request_value(steps)


def _split(text: Any) -> tuple[str | None, tuple[str, ...]]:
    """Return the node that an expression names, null for $json, and the steps below it."""
    match = _ROOT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise NotCarried(_NO_PATH)
    steps: list[str] = []
    at = 0
    while at < len(match["steps"]):
        step = _STEP.match(match["steps"], at)
        if step is None:
            raise NotCarried(_NO_PATH)
        steps.append(next(part for part in step.groups() if part is not None))
        at = step.end()
    node = match["node"] or match["named"]
    return (None if node is None else node[1:-1]), tuple(steps)


def _find_request_value(steps: tuple[str, ...]) -> Reference:
    if len(steps) < 2 or steps[0] not in ("body", "headers", "query"):
        raise NotCarried("it reads something else than a value of body, headers or query")
    if steps[-1] == "length":
        raise NotCarried("it reads the length of a value")
    if steps[0] == "headers":
        return _read_header(".".join(steps[1:]))
    return Reference(steps)


def _read_header(name: str) -> Reference:
    if name != name.lower():
        raise NotCarried(f"n8n has the names of headers in lower case, so it never finds {name}")
    return Reference(("headers", name))


@dataclass(frozen=True, slots=True)
class N8nItem:
    """The input of a node: the request of a Webhook node, or the fields that a Set node makes of
    it, by name.

    `keeps_request`: the Set node adds its fields to the request.
    """

    webhook: str
    set_node: str | None = None
    fields: Mapping[str, JSON] = field(default_factory=dict)
    keeps_request: bool = True

    def write_value(self, value: JSON) -> JSON:
        """Return the value of a parameter as an input of a route.

        Raises `NotCarried` where it is more than text with paths in it.
        """
        if not isinstance(value, str):
            if isinstance(value, list | dict):
                raise NotCarried("it has a list or an object as a value")
            return read_number(value) if isinstance(value, float) else value
        if is_known_secret(value.removeprefix("=")):
            raise NotCarried("a value seems to be a credential")
        if "${" in value:
            raise NotCarried("a text with ${ cannot be written into routes.yaml")
        if not value.startswith("="):
            if "{{" in value:
                raise NotCarried("it has {{ in a text that n8n does not evaluate")
            return value
        text = value[1:]
        holes = [(hole.span(), self._write_hole(hole[0])) for hole in _HOLE.finditer(text)]
        if len(holes) == 1 and holes[0][0] == (0, len(text)):
            return holes[0][1]
        written, at = "", 0
        for (start, end), inner in holes:
            written += text[at:start] + str(inner)
            at = end
        if "{{" in text[at:] or "}}" in text[at:]:
            raise NotCarried(_NO_PATH)
        return written + text[at:]

    def _write_hole(self, hole: str) -> JSON:
        """Return what stands for `{{ … }}` in a route."""
        node, steps = _split("=" + hole)
        if node not in (None, self.webhook, self.set_node):
            raise NotCarried(f"it reads the output of the node {node}")
        if self.set_node is not None and node != self.webhook:
            if steps[:1] and steps[0] in self.fields:
                if len(steps) > 1:
                    raise NotCarried(f"it reads a part of the field {steps[0]}")
                return self.fields[steps[0]]
            if not self.keeps_request:
                raise NotCarried(f"it reads a value that the node {self.set_node} leaves out")
        reference = _find_request_value(steps)
        if reference.steps[0] == "headers" and reference.steps[-1] in MASKED_HEADERS:
            raise NotCarried(f"the header {reference.steps[-1]} is a credential")
        return "${" + reference.expression + "}"
