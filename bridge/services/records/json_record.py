"""JSON records, each key said once: how it is written, parsed and described, and who sees it. Pure.

Everything that leaves the bridge as JSON is a `JsonRecord`. From its keys follow the JSON of
`--json` and of the admin API, the record that is parsed from it, the JSON Schema of the OpenAPI
document, and what a token without the scope `bodies` sees: every key, without contents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from bridge.core.errors import BridgeError
from bridge.core.model import JSON
from bridge.core.units import iso, parse_iso
from bridge.services.records import json_schema
from bridge.services.records.json_schema import Schema

T = TypeVar("T")
Shape = Mapping[str, Any]
#: What Python raises for a value of another type, out of its range, or too deep.
WRONG_SHAPES: Final = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError),
    *(OverflowError, RecursionError),
)
UNREADABLE: Final = (
    "the answer is not as expected: the bridge may have another version of flowbridge"
)


class UnreadableAnswer(BridgeError):
    """JSON that has not the expected shape."""


@contextmanager
def expect_shape() -> Iterator[None]:
    """Raise `UnreadableAnswer` where JSON lacks a key, or a value has another type or size."""
    try:
        yield
    except WRONG_SHAPES:
        raise UnreadableAnswer(UNREADABLE) from None


def parse_time(text: JSON) -> float | None:
    """Return a time as `iso` writes it; None for null."""
    return None if text is None else parse_iso(text)


def require_time(text: JSON) -> float:
    """Return a time as `iso` writes it. A time outside the calendar, which is null, becomes NaN."""
    at = parse_time(text)
    return float("nan") if at is None else at


def require_text(value: JSON) -> str:
    """Return a text. Raises `TypeError` for another value."""
    if not isinstance(value, str):
        raise TypeError
    return value


def require_object(value: JSON) -> dict[str, Any]:
    """Return an object. Raises `TypeError` for another value."""
    if not isinstance(value, dict):
        raise TypeError
    return value


class ValueType:
    """The type of a value: its JSON Schema, and how it is written and parsed.

    Without `write` and `parse` the value is its own JSON. `hide` writes it without contents.
    `is_public`: it quotes nothing that a sender or a platform wrote.
    """

    __slots__ = ("hide", "is_public", "parse", "schema", "write")

    def __init__(
        self,
        schema: Schema,
        write: Callable[[Any], JSON] | None = None,
        parse: Callable[[Any], Any] | None = None,
        hide: Callable[[Any], JSON] | None = None,
        *,
        is_public: bool = False,
    ) -> None:
        self.schema = schema
        self.is_public = is_public
        self.write = write
        self.parse = parse
        self.hide = hide

    def or_null(self) -> ValueType:
        """Return the type that also allows null."""
        return ValueType(
            json_schema.nullable(self.schema),
            _unless_null(self.write),
            _unless_null(self.parse),
            _unless_null(self.hide),
            is_public=self.is_public,
        )


def _unless_null(change: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    return change and (lambda value: None if value is None else change(value))


def public(kind: ValueType) -> ValueType:
    """Return the type of a value that quotes no payload, such as an id or a name."""
    return ValueType(kind.schema, kind.write, kind.parse, is_public=True)


# Any text or JSON may quote a payload, unless its key says that it is public.
TEXT: Final = ValueType(json_schema.TEXT)
TEXT_OR_NULL: Final = TEXT.or_null()
ANY: Final = ValueType(json_schema.ANY)
OBJECT: Final = ValueType(json_schema.OBJECT, dict)
COUNT_BY_NAME: Final = ValueType(json_schema.COUNT_BY_NAME, dict)
TEXT_BY_NAME: Final = ValueType(json_schema.TEXT_BY_NAME, dict)
#: Null where it is empty.
FILLED_TEXT: Final = ValueType(
    TEXT_OR_NULL.schema, lambda text: text or None, lambda text: text or ""
)
#: Null without contents, and then parsed as empty.
HIDDEN_TEXT: Final = ValueType(TEXT_OR_NULL.schema, None, lambda text: text or "")
HIDDEN_TEXT_BY_NAME: Final = ValueType(
    json_schema.nullable(json_schema.TEXT_BY_NAME), dict, lambda values: values or {}
)
#: Ids, names and words that quote no payload.
NAME: Final = public(TEXT)
NAME_OR_NULL: Final = NAME.or_null()
#: Text in flowbridge's own words, or hidden before it is written.
OWN_TEXT: Final = public(TEXT)
OWN_TEXT_OR_NULL: Final = OWN_TEXT.or_null()
COUNT: Final = public(ValueType(json_schema.COUNT))
COUNT_OR_NULL: Final = COUNT.or_null()
NUMBER: Final = public(ValueType(json_schema.NUMBER))
FLAG: Final = public(ValueType(json_schema.FLAG))
TIME: Final = public(ValueType(json_schema.TIME, iso, require_time))
TIME_OR_NULL: Final = public(ValueType(json_schema.nullable(json_schema.TIME), iso, parse_time))


def word_of(
    kind: Callable[[Any], Any], words: Iterable[str], write: Callable[[Any], str] = str
) -> ValueType:
    """Return the type of one of these words, which `kind` makes a value and `write` a word."""
    return public(ValueType(json_schema.word(*words), write, kind))


def list_of(item: ValueType) -> ValueType:
    """Return the type of a list, which is parsed as a tuple."""
    write, parse, hide = item.write, item.parse, item.hide
    return ValueType(
        json_schema.list_of(item.schema),
        list if write is None else lambda values: [write(value) for value in values],
        tuple if parse is None else lambda values: tuple(parse(value) for value in values),
        hide and (lambda values: [hide(value) for value in values]),
        is_public=item.is_public,
    )


TEXTS: Final = list_of(TEXT)
NAMES: Final = list_of(NAME)
OWN_TEXTS: Final = list_of(OWN_TEXT)


def as_written(kind: ValueType) -> ValueType:
    """Return the type of a value that is JSON already, and hidden where it must be."""
    return ValueType(kind.schema, None, kind.parse, is_public=True)


def defined_later(name: str, find: Callable[[], JsonRecord[Any]]) -> ValueType:
    """Return the type of a record with a name that is defined later, such as one in itself."""
    return ValueType(
        json_schema.ref(name),
        lambda record: find().write(record),
        lambda shape: find().parse(shape),
        lambda record: find().write(record, with_contents=False),
    )


#: Left out of the JSON: the value of an optional key.
ABSENT: Final = object()


class Key:
    """One key of a record.

    `field`: the attribute of the record that it is written from and parsed into, by default that of
    its name. `get` computes the value instead; then it is parsed only into a `field` that is named.
    `is_given`: it is passed when the record is written, and not parsed. `hide` makes of the written
    value and the record what is seen without contents. `is_optional`: it is left out where its
    value is `ABSENT`, or not given.
    """

    __slots__ = ("field", "get", "hide", "is_given", "is_optional", "is_parsed", "name", "type")

    def __init__(
        self,
        name: str,
        kind: ValueType,
        field: str = "",
        *,
        get: Callable[[Any], Any] | None = None,
        hide: Callable[[JSON, Any], JSON] | None = None,
        is_given: bool = False,
        is_optional: bool = False,
    ) -> None:
        self.name = name
        self.type = kind
        self.field = field or name
        self.get = get
        self.hide = hide
        self.is_given = is_given
        self.is_optional = is_optional
        self.is_parsed = not is_given and (get is None or bool(field))

    @property
    def is_safe(self) -> bool:
        """Whether it is known what is seen without contents."""
        return self.type.is_public or self.type.hide is not None or self.hide is not None


#: What the command line shows, beside the JSON of some answers.
#: Of a list that has no further page, and of one that no search limits.
NO_NEXT: Final = Key("next", NAME_OR_NULL, get=lambda _: None)
NO_LIMIT: Final = Key("looked_until", TIME_OR_NULL, get=lambda _: None)
SCREEN: Final = Key("screen", public(OBJECT), is_given=True, is_optional=True)


def to_null(_value: JSON, _record: object) -> None:
    """Hide a value."""


def to_empty(_value: JSON, _record: object) -> list[JSON]:
    """Hide the items of a list."""
    return []


def unparsed(**_fields: object) -> Any:
    """Stand for the function that makes a record which is never parsed."""
    raise NotImplementedError


class JsonRecord(Generic[T]):
    """A record as JSON. Every key is always present, in the order of `keys`, but optional ones.

    `make` builds the record from its fields. `rest`: the fields that no key has. `parse_rest`
    returns those that follow from several keys. `name`: that of its schema in the OpenAPI document;
    one without a name is part of others.

    Each key must be public, or say what is seen of it without contents. `needs_contents`: none has
    to, since the record is not written without them.
    """

    def __init__(
        self,
        name: str,
        make: Callable[..., T],
        *keys: Key,
        rest: Mapping[str, Any] | None = None,
        parse_rest: Callable[[Shape], Mapping[str, Any]] | None = None,
        needs_contents: bool = False,
    ) -> None:
        if not needs_contents and (unsafe := [key.name for key in keys if not key.is_safe]):
            raise ValueError(f"{name}: these keys must be hidden or public: {', '.join(unsafe)}")
        self.name = name
        self.keys = keys
        self.needs_contents = needs_contents
        self._make = make
        self._rest = rest or {}
        self._parse_rest = parse_rest
        self._writers = [
            (key.name, None if key.is_given else key.get or attrgetter(key.field), key)
            for key in keys
        ]
        self._parsers = [(key.field, key.name, key.type.parse) for key in keys if key.is_parsed]

    def extend(
        self,
        name: str,
        *keys: Key,
        rest: Mapping[str, Any] | None = None,
        parse_rest: Callable[[Shape], Mapping[str, Any]] | None = None,
    ) -> JsonRecord[T]:
        """Return a record with more keys."""
        return JsonRecord(
            name,
            self._make,
            *self.keys,
            *keys,
            rest=rest,
            parse_rest=parse_rest,
            needs_contents=self.needs_contents,
        )

    def write(
        self, record: T, *, with_contents: bool = True, **extra_values: Any
    ) -> dict[str, JSON]:
        """Return a record as JSON.

        `extra_values`: the values of the keys that are not in the record.
        """
        if self.needs_contents and not with_contents:
            raise ValueError(f"{self.name} is not written without contents")
        shape: dict[str, JSON] = {}
        for name, get, key in self._writers:
            if key.is_optional:
                value = extra_values.get(name, ABSENT) if get is None else get(record)
                if value is ABSENT:
                    continue
            else:
                value = extra_values[name] if get is None else get(record)
            kind = key.type
            is_whole = with_contents or key.hide is not None or kind.hide is None
            write = kind.write if is_whole else kind.hide
            if write is not None:
                value = write(value)
            if key.hide is not None and not with_contents:
                value = key.hide(value, record)
            shape[name] = value
        return shape

    def parse(self, shape: Shape, **fields: Any) -> T:
        """Return the record with this JSON. Raises `UnreadableAnswer`. `fields`: more of them."""
        with expect_shape():
            for field, name, parse in self._parsers:
                value = shape[name]
                fields[field] = value if parse is None else parse(value)
            if self._parse_rest is not None:
                fields.update(self._parse_rest(shape))
            return self._make(**self._rest, **fields)

    @property
    def properties(self) -> Schema:
        """The JSON Schema of each key."""
        return {key.name: key.type.schema for key in self.keys}

    @property
    def schema(self) -> Schema:
        """The JSON Schema."""
        return {
            **json_schema.record(**self.properties),
            "required": [key.name for key in self.keys if not key.is_optional],
        }

    @property
    def type(self) -> ValueType:
        """Its type where it is the value of a key."""
        return ValueType(
            json_schema.ref(self.name) if self.name else self.schema,
            self.write,
            self.parse,
            lambda record: self.write(record, with_contents=False),
        )
