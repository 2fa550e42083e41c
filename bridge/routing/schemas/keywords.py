"""jsonschema's validators with a bound on every check. Pure.

`uniqueItems` uses hashes, since the library's is quadratic. `multipleOf` calculates with decimals:
the library finds that 19.99 is no multiple of 0.01. Patterns run as an automaton on at most 1,000
characters. Formats check texts of bounded length. References are counted.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from bridge.core.linear_regex import Pattern
from bridge.routing.functions.numeric import is_multiple
from bridge.routing.functions.values import identity_of

MAX_PATTERN_TEXT = 1000  # characters of a text that `pattern` is checked on
MAX_FORMAT_TEXT = 4000  # characters of a text that `format` is checked on
SKIPPED_LIBRARIES = ("rfc3987_syntax", "isoduration")
MAX_REFERENCES = 50_000  # followed for one value

followed_references: ContextVar[list[int]] = ContextVar("followed")


class TooManyReferences(Exception):
    """Checking the value follows too many references of the schema."""


def load_jsonschema() -> Any:
    """Import jsonschema without two libraries that it uses for formats.

    Its IRI grammar takes most of a second to load and can take unbounded time; its durations import
    calendars in eighty languages.
    """
    if "jsonschema" not in sys.modules:
        before = {name: sys.modules.get(name) for name in SKIPPED_LIBRARIES}
        sys.modules |= dict.fromkeys(SKIPPED_LIBRARIES)  # type: ignore[arg-type]  # None makes the import fail, as it should
        try:
            import jsonschema
        finally:
            for name, module in before.items():
                if module is None:
                    del sys.modules[name]
                else:
                    sys.modules[name] = module
    import jsonschema.exceptions
    import jsonschema.validators

    return jsonschema


@lru_cache(maxsize=512)
def compile_pattern(text: str) -> Pattern:
    """Compile a pattern; CompileError if it cannot run in bounded time."""
    return Pattern(text)


@lru_cache(maxsize=8)
def bound_keywords(validator: Any) -> Any:
    """Return the jsonschema validator class `validator` with the bounded keywords."""
    replaced: dict[str, Any] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
        "multipleOf": _multiple_of,
    }
    for name in ("$ref", "$dynamicRef", "$recursiveRef"):
        if name in validator.VALIDATORS:
            replaced[name] = _counted(validator.VALIDATORS[name])
    return load_jsonschema().validators.extend(
        validator, {name: call for name, call in replaced.items() if name in validator.VALIDATORS}
    )


def _counted(follow: Any) -> Any:
    def reference(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
        count = followed_references.get()
        count[0] += 1
        if count[0] > MAX_REFERENCES:
            raise TooManyReferences
        yield from follow(validator, value, instance, schema)

    return reference


def _pattern(validator: Any, value: str, instance: Any, _schema: Any) -> Iterator[Any]:
    if not validator.is_type(instance, "string"):
        return
    if len(instance) > MAX_PATTERN_TEXT:
        yield _error(
            f"is longer than the {MAX_PATTERN_TEXT} characters that a pattern is checked on"
        )
    elif not compile_pattern(value).search(instance):
        yield _error("does not match the pattern")


def _pattern_properties(
    validator: Any, value: dict[str, Any], instance: Any, _schema: Any
) -> Iterator[Any]:
    if not validator.is_type(instance, "object"):
        return
    for text, schema in value.items():
        for key, member in instance.items():
            if _names(text, key):
                yield from validator.descend(member, schema, path=key, schema_path=text)


def _additional_properties(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not validator.is_type(instance, "object"):
        return
    properties = schema.get("properties", {})
    texts = tuple(schema.get("patternProperties", {}))
    extras = [
        key
        for key in instance
        if key not in properties and not any(_names(text, key) for text in texts)
    ]
    if value is False:
        if extras:
            names = ", ".join(
                repr(key if len(key) <= 60 else key[:59] + "…") for key in sorted(extras)[:5]
            )
            yield _error(f"has unknown properties: {names}{', …' * (len(extras) > 5)}")
    elif isinstance(value, dict):
        for key in extras:
            yield from validator.descend(instance[key], value, path=key)


def _names(text: str, key: str) -> bool:
    return compile_pattern(text).search(key[:MAX_PATTERN_TEXT])


def _unique_items(validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if (
        value
        and validator.is_type(instance, "array")
        and len({identity_of(item) for item in instance}) < len(instance)
    ):
        yield _error("has repeated elements")


def _multiple_of(validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[Any]:
    if validator.is_type(instance, "number") and not is_multiple(instance, value):
        yield _error("is not a multiple")


def _error(message: str) -> Any:
    return load_jsonschema().exceptions.ValidationError(message)


@lru_cache(maxsize=8)
def build_format_checker(validator: Any) -> Any:
    """Return the format checker of the class `validator`, with all its formats bounded."""
    library = load_jsonschema()
    checker = library.FormatChecker(formats=())
    checker.checkers = {
        name: (_guard(check), ()) for name, (check, _) in validator.FORMAT_CHECKER.checkers.items()
    }
    for name in ("iri", "iri-reference"):
        inner = validator.FORMAT_CHECKER.checkers.get(name.replace("iri", "uri"))
        if inner is not None and validator.META_SCHEMA.get("$schema", "") not in (
            "http://json-schema.org/draft-04/schema#",
        ):
            checker.checkers[name] = (_guard(_iri(inner[0])), ())
    checker.checkers["regex"] = (_guard(_is_regex), ())
    checker.checkers["duration"] = (_guard(_DURATION.fullmatch), ())
    checker.checkers["email"] = (_guard(_EMAIL.fullmatch), ())
    checker.checkers["idn-email"] = (_guard(_IDN_EMAIL.fullmatch), ())
    return checker


def _guard(check: Any) -> Any:
    def guarded(value: Any) -> bool:
        if not isinstance(value, str):
            return True
        if len(value) > MAX_FORMAT_TEXT:
            return False
        try:
            return bool(check(value))
        except Exception:
            # a format's library may raise any error: the text does not have the format
            return False

    return guarded


def _iri(is_uri: Any) -> Any:
    """Return the check of an IRI: it is a URI after percent-encoding (RFC 3987, 3.1)."""
    return lambda value: (
        is_uri(quote(value, safe="".join(map(chr, range(33, 127))))) if " " not in value else False
    )


_TIME_PATTERN = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
_DATE_PATTERN = "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)"
_DURATION = re.compile(
    f"P(?:[0-9]+W|{_DATE_PATTERN}(?:{_TIME_PATTERN})?|{_TIME_PATTERN})"
)  # spec: RFC 3339, appendix A


def _is_regex(value: str) -> bool:
    if len(value) > MAX_PATTERN_TEXT:
        return False
    re.compile(value)
    return True


# A single address as in browsers:
# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address. The library accepts any
# text with an @, also a list of addresses, and mail is sent to the accepted address. _UNICODE:
# the characters of RFC 6531, without blanks and controls.
_SIGNS = r"!#$%&'*+/=?^_`{|}~.-"
_LABEL = "[{0}](?:[{0}-]{{0,61}}[{0}])?"
_EMAIL = re.compile(
    rf"[A-Za-z0-9{_SIGNS}]+@{_LABEL.format('A-Za-z0-9')}(?:\.{_LABEL.format('A-Za-z0-9')})*"
)
_UNICODE = (
    r"A-Za-z0-9\u00a1-\u167f\u1681-\u1fff\u2070-\u2fff\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd"
    r"\U00010000-\U000effff"
)
_IDN_EMAIL = re.compile(
    rf"[{_UNICODE}{_SIGNS}]+@{_LABEL.format(_UNICODE)}(?:\.{_LABEL.format(_UNICODE)})*"
)
MAX_ADDRESS_CHARS: Final = 254  # of RFC 5321


def is_email_address(text: str) -> bool:
    """Return whether a text is a single mail address in ASCII, as a browser would accept it."""
    return len(text) <= MAX_ADDRESS_CHARS and _EMAIL.fullmatch(text) is not None
