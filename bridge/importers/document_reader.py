"""Read a JSON or YAML file of another program, within bounds. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from bridge.config.problems import Report
from bridge.config.yaml_reader import MAX_DEPTH, YamlFile, read_yaml
from bridge.core.errors import InvalidRequest
from bridge.core.json_values import exceeds_depth, exceeds_values
from bridge.core.model import JSON

MAX_DOCUMENT_VALUES: Final = 50_000
MAX_YAML_CHARS: Final = 256 * 1024  # the YAML parser is slow


class _Refused(ValueError):
    """An object has a key twice, or a number is not finite."""


def read_document(name: str, text: str) -> JSON:
    """Return the value of a JSON or YAML text.

    Raises `InvalidRequest` where it is neither, has a key twice, or is too large or too deep.
    """
    if text.lstrip()[:1] in ("[", "{"):
        raw = text.encode(errors="surrogatepass")
        if exceeds_depth(raw, MAX_DEPTH):
            raise InvalidRequest(f"{name}: nested more than {MAX_DEPTH} deep")
        if exceeds_values(raw, MAX_DOCUMENT_VALUES):
            raise InvalidRequest(f"{name}: more than {MAX_DOCUMENT_VALUES} values")
        try:
            return json.loads(
                text,
                object_pairs_hook=_unique_keys,
                parse_float=_finite_number,
                parse_constant=_finite_number,
            )
        except _Refused as error:
            raise InvalidRequest(f"{name}: {error}") from None
        except json.JSONDecodeError as error:  # YAML allows more, such as a comma before a bracket
            place = f"{name}:{error.lineno}:{error.colno}"
            return _read_yaml(name, text, f"{place}: neither JSON nor YAML: {error.msg}")
        except ValueError:  # a number of thousands of digits
            pass
    return _read_yaml(name, text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise _Refused(f"the key {twice[:60]!r} is there twice in one object")
    return mapping


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused(f"{text[:40]} is not a number that JSON can represent")
    return number


def _read_yaml(name: str, text: str, problem: str | None = None) -> JSON:
    """Return the value of a YAML text. `problem`: what to say where it has none."""
    if len(text) > MAX_YAML_CHARS:
        raise InvalidRequest(problem or f"{name}: YAML of more than {MAX_YAML_CHARS} characters")
    report = Report(name)
    value = read_yaml(YamlFile(name, text), report)
    if report.failed:
        raise InvalidRequest(problem or report.describe_first())
    return value
