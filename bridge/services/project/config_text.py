"""Write a configuration as YAML for people, from its JSON."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bridge.core.model import JSON

MAX_TEXT_CHARS: Final = 256 * 1024
MAX_LINE_CHARS: Final = 80  # of a list in one line


def write_yaml(value: JSON) -> tuple[str, bool]:
    """Return a value as YAML, its keys in their order, and whether this is all of it.

    A text of several lines is a block, as people write it.
    """
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt", pure=True)
    yaml.width = 10**6
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_prepare(value), stream)
    text = stream.getvalue().removesuffix("...\n")
    return text[:MAX_TEXT_CHARS], len(text) <= MAX_TEXT_CHARS


def write_yaml_line(value: Mapping[str, JSON]) -> str:
    """Return an object as YAML in one line, without its outer braces."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt", pure=True)
    yaml.width = 10**6
    yaml.default_flow_style = True
    stream = io.StringIO()
    yaml.dump(dict(value), stream)
    return stream.getvalue().strip()[1:-1]


def _prepare(value: Any) -> Any:
    from ruamel.yaml.comments import CommentedSeq
    from ruamel.yaml.scalarstring import LiteralScalarString

    if isinstance(value, Mapping):
        return {name: _prepare(child) for name, child in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = CommentedSeq(_prepare(child) for child in value)
        if _is_short(value):
            items.fa.set_flow_style()
        return items
    if isinstance(value, str) and "\n" in value and value.replace("\n", "").isprintable():
        return LiteralScalarString(value)
    return value


def _is_short(items: Sequence[Any]) -> bool:
    """Return whether a list of plain values fits into a line."""
    is_plain = not any(isinstance(value, Mapping | list | tuple) for value in items)
    return is_plain and sum(len(str(value)) + 2 for value in items) <= MAX_LINE_CHARS
