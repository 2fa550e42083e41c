"""Additions to routes.yaml that leave every other character unchanged.

The text is inserted where ruamel.yaml finds the end of the section, in block or in flow style
(`sources: {…}`); where that fails, ruamel.yaml's round trip writes the file. The result is read
back: it must have the content of the file, its comments and the addition.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from bridge.core.errors import BridgeError

Entry = Mapping[str, Any]


def add_entry(text: str, section: str, name: str | None, entry: Entry) -> str:
    """Return the text of routes.yaml with `entry` at the end of `section`: under `name`, or in a
    list where that is None.

    Raises `BridgeError` where the file is not YAML, or the section has another type.
    """
    before = _plain(text)
    expected = _wanted(before, section, name, entry)
    for way in (_by_text, _by_round_trip):
        try:
            changed = way(text, section, name, entry)
            if _plain(changed) == expected and set(_comments(text)) <= set(_comments(changed)):
                return changed
        except (YAMLError, BridgeError):
            continue
    by_hand = "\n".join(_lines(name, entry, 2))
    raise BridgeError(
        f"`{section}` cannot be extended automatically; add this by hand:\n\n{by_hand}"
    )


def _comments(text: str) -> list[str]:
    return re.findall(r"(?m)(?:^|\s)(#.*?)\s*$", text)


def _plain(text: str) -> dict[str, Any]:
    try:
        value = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise BridgeError(f"routes.yaml is not YAML: {str(error).splitlines()[0]}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BridgeError("routes.yaml is not a mapping with keys such as sources and routes")
    return value


def _wanted(before: dict[str, Any], section: str, name: str | None, entry: Entry) -> dict[str, Any]:
    value = before.get(section)
    if value is not None and not isinstance(value, list if name is None else dict):
        raise BridgeError(
            f"`{section}` in routes.yaml is not {'a list' if name is None else 'a mapping'}"
        )
    present: Any = value or ([] if name is None else {})
    return before | {
        section: [*present, dict(entry)] if name is None else {**present, name: dict(entry)}
    }


# -- by text


def _by_text(text: str, section: str, name: str | None, entry: Entry) -> str:
    root = YAML(typ="rt", pure=True).compose(text)
    lines = text.splitlines(keepends=True)
    end = "\r\n" if "\r\n" in text else "\n"
    if root is None or (not root.flow_style and section not in _keys(root)):
        gap = [""] if lines and lines[-1].strip() else []
        return _insert(lines, len(lines), [*gap, f"{section}:", *_lines(name, entry, 2)], end)
    if section not in _keys(root):
        return _insert_inside(text, root, f"{section}: {_in_brackets(name, entry)}")
    key, value = next((key, value) for key, value in root.value if key.value == section)
    if not root.flow_style and (isinstance(value, ScalarNode) or not value.value):
        if text[value.start_mark.index : value.end_mark.index].strip():  # `{}`, `[]`, `~`
            lines = (text[: key.end_mark.index] + ":" + text[value.end_mark.index :]).splitlines(
                keepends=True
            )
        return _insert(lines, key.end_mark.line + 1, _lines(name, entry, 2), end)
    if value.flow_style:
        return _insert_inside(text, value, _in_brackets(name, entry)[1:-1])
    indent = value.start_mark.column
    last = value.value[-1]
    first = (last[0] if isinstance(last, tuple) else last).start_mark.line
    # blank lines separate the entries
    is_spaced = len(value.value) > 1 and not lines[first - 1].strip()
    return _insert(
        lines, _after(value, lines, indent), [""] * is_spaced + _lines(name, entry, indent), end
    )


def _insert_inside(text: str, node: Any, new: str) -> str:
    """Insert an entry after the last one between the brackets of `node`."""
    if not node.value:
        return text[: node.start_mark.index + 1] + new + text[node.start_mark.index + 1 :]
    last = node.value[-1]
    at = (last[1] if isinstance(last, tuple) else last).end_mark.index
    return f"{text[:at]}, {new}{text[at:]}"


def _in_brackets(name: str | None, entry: Entry) -> str:
    return f"[{_flow(entry)}]" if name is None else "{" + f"{name}: {_flow(entry)}" + "}"


def _flow(entry: Entry) -> str:
    """Return an entry in flow style; values with brackets or commas are quoted."""
    return "{" + ", ".join(f"{key}: {_flow_value(value)}" for key, value in entry.items()) + "}"


def _flow_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return _flow(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow_value, value)) + "]"
    return value if re.fullmatch(r"[\w./:-]+", value) and _reads_as(value) else _quoted(value)


def _keys(root: MappingNode) -> list[str]:
    return [key.value for key, _ in root.value]


def _after(node: Any, lines: list[str], indent: int) -> int:
    """Return the line after the last one of `node`, including comments that are indented deeper
    than its entries.
    """
    at = _last_line(node) + 1
    ahead = at
    while ahead < len(lines) and (comment := re.match(r"( *)#|\s*$", lines[ahead])):
        ahead += 1
        if comment[1] is not None and len(comment[1]) > indent:
            at = ahead
    return at


def _last_line(node: Any) -> int:
    if isinstance(node, ScalarNode) or node.flow_style or not node.value:
        mark = node.end_mark
        return int(
            mark.line if mark.column > 0 or mark.line == node.start_mark.line else mark.line - 1
        )
    last = node.value[-1]
    if not isinstance(last, tuple):
        return _last_line(last)
    key, value = last
    is_empty = isinstance(value, ScalarNode) and not value.value and value.style is None
    return max(_last_line(key), 0 if is_empty else _last_line(value))


def _insert(lines: list[str], at: int, new: list[str], end: str) -> str:
    before = lines[:at]
    if before and not before[-1].endswith("\n"):
        before = [*before[:-1], before[-1] + end]
    return "".join([*before, *(line + end for line in new), *lines[at:]])


def _lines(name: str | None, entry: Entry, indent: int) -> list[str]:
    """Return the lines of an entry in block style."""
    if name is not None:
        return [" " * indent + f"{name}:", *_pairs(entry, indent + 2)]
    pairs = _pairs(entry, indent + 2)
    return [" " * indent + "- " + pairs[0].lstrip(), *pairs[1:]]


def _pairs(entry: Entry, indent: int) -> list[str]:
    lines = []
    for key, value in entry.items():
        if isinstance(value, Mapping):
            lines += [" " * indent + f"{key}:", *_pairs(value, indent + 2)]
        elif isinstance(value, list):
            lines += [
                " " * indent + f"{key}:",
                *(" " * (indent + 2) + f"- {_scalar(text)}" for text in value),
            ]
        else:
            lines.append(" " * indent + f"{key}: {_scalar(value)}")
    return lines


def _scalar(text: str) -> str:
    """Return a text as YAML, without quotes where it reads the same."""
    is_bare = re.fullmatch(r"[A-Za-z$][\w$.:/{}\[\]() ,+-]*", text) and not text.endswith(" ")
    return text if is_bare and _reads_as(text) else _quoted(text)


def _reads_as(text: str) -> bool:
    """Tell whether YAML reads a text without quotes as that text, not as a number or a boolean."""
    try:
        return bool(YAML(typ="safe", pure=True).load(f"a: {text}") == {"a": text})
    except YAMLError:
        return False


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


# -- by round trip


def _by_round_trip(text: str, section: str, name: str | None, entry: Entry) -> str:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 10**6
    dashed = re.search(r"(?m)^( *)- ", text)
    offset = len(dashed[1]) if dashed else 2
    yaml.indent(mapping=2, sequence=offset + 2, offset=offset)
    document = yaml.load(text)
    value = document.get(section)
    if not value:
        value = CommentedSeq() if name is None else CommentedMap()
        if document.fa.flow_style():
            value.fa.set_flow_style()
        document[section] = value
    new = _commented(entry)
    if name is None:
        value.append(new)
    else:
        value[name] = new
    stream = io.StringIO()
    yaml.dump(document, stream)
    return stream.getvalue()


def _commented(entry: Entry) -> CommentedMap:
    """Return the entry with every expression in quotes, which flow style requires."""
    made = CommentedMap()
    for key, value in entry.items():
        if isinstance(value, Mapping):
            made[key] = _commented(value)
        elif isinstance(value, list):
            made[key] = [_in_quotes(text) for text in value]
        else:
            made[key] = _in_quotes(value)
    return made


def _in_quotes(text: str) -> str:
    return DoubleQuotedScalarString(text) if "${" in text else text
