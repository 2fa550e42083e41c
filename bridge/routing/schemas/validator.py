"""Walk JSON Schemas, and compile them into validators with bounded checks. Pure.

The draft is 2020-12; formats are checked, and references lead only to files. The caller reads the
files: `resolve` gets the path of each one under the configuration's folder.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from bridge.core.errors import CompileError
from bridge.core.model import JSON
from bridge.routing.functions.signature import shorten
from bridge.routing.schemas import fast_check
from bridge.routing.schemas.fast_check import Accept
from bridge.routing.schemas.keywords import (
    TooManyReferences,
    bound_keywords,
    build_format_checker,
    compile_pattern,
    followed_references,
    load_jsonschema,
)
from bridge.routing.schemas.messages import MAX_MESSAGE, Failure, describe, json_path, to_failure

Path = tuple[str | int, ...]

_ONE = frozenset(
    [
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    ]
)
_LIST = frozenset(["allOf", "anyOf", "items", "oneOf", "prefixItems"])
_MAP = frozenset(
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"]
)
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
MAX_PARTS = 20_000  # schemas within one document
MAX_DEPTH = 60


def iterate_schemas(
    document: Any, path: Path = (), base: str = ""
) -> Iterator[tuple[Path, dict[str, Any], str]]:
    """Yield (path, schema, base URI) of `document` and its subschemas.

    Raises CompileError if it is too big.
    """
    stack: list[tuple[Path, Any, str]] = [(path, document, base)]
    count = 0
    while stack:
        path, schema, base = stack.pop()
        if not isinstance(schema, dict):
            continue
        count += 1
        if count > MAX_PARTS or len(path) > 2 * MAX_DEPTH:
            raise CompileError([(path[: 2 * MAX_DEPTH], "the schema is too big or nests too deep")])
        if isinstance(schema.get("$id"), str):
            base = urljoin(base, schema["$id"])
        yield path, schema, base
        for key, value in schema.items():
            if key in _ONE and isinstance(value, dict):
                stack.append(((*path, key), value, base))
            elif key in _LIST and isinstance(value, list):
                stack.extend(
                    ((*path, key, index), subschema, base) for index, subschema in enumerate(value)
                )
            elif key in _MAP and isinstance(value, dict):
                stack.extend(
                    ((*path, key, name), subschema, base) for name, subschema in value.items()
                )


def iterate_references(document: Any, base: str) -> Iterator[tuple[Path, str, str]]:
    """Yield (path, reference, absolute URI without fragment) of every reference."""
    for path, schema, here in iterate_schemas(document, base=base):
        for key in REFERENCES:
            if isinstance(schema.get(key), str):
                yield (*path, key), schema[key], urldefrag(urljoin(here, schema[key]))[0]


def find_identifiers(document: Any, base: str) -> set[str]:
    """Return the absolute URIs of the `$id`s in `document`."""
    return {
        urldefrag(here)[0]
        for _, schema, here in iterate_schemas(document, base=base)
        if isinstance(schema.get("$id"), str)
    }


Resolve = Callable[[str], JSON]

MAX_ERRORS = 10
MAX_REFERENCE_CHAIN = 50  # references to references
MAX_ERRORS_READ = 200  # errors read to find the first ones by path
TOO_DEEP = "nests too deep, or the schema refers to itself without end"
ROOT_URI = "file:///"  # the URI of the configuration's folder
DRAFT = "https://json-schema.org/draft/2020-12/schema"


class Validator(Protocol):
    """A check of values by a JSON Schema."""

    def errors(self, value: JSON) -> list[tuple[str, str]]:
        """Return (path, message) of at most ten errors, in document order; empty if valid."""

    def failures(self, value: JSON) -> list[Failure]:
        """Return the errors as records."""


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled JSON Schema; `accepts` returns True only for values that the validator accepts."""

    document: JSON
    validator: Any = field(repr=False, compare=False)
    accepts: Accept | None = field(default=None, repr=False, compare=False)

    def errors(self, value: JSON) -> list[tuple[str, str]]:
        """Return (JSON path, message) of at most ten errors, by path; empty if valid."""
        if self._passes_fast_check(value):
            return []
        try:
            return sorted(set(map(describe, self._found(value))))[:MAX_ERRORS]
        except (TooManyReferences, RecursionError):
            return [("$", TOO_DEEP)]

    def failures(self, value: JSON) -> list[Failure]:
        """Return the errors as records, for callers with messages of their own."""
        if self._passes_fast_check(value):
            return []
        try:
            return sorted(
                map(to_failure, self._found(value)), key=lambda failure: json_path(failure.steps)
            )
        except (TooManyReferences, RecursionError):
            return [Failure((), "", None, value)]

    def _passes_fast_check(self, value: JSON) -> bool:
        try:
            return self.accepts is not None and self.accepts(value)
        except RecursionError:  # jsonschema reports a value that nests too deep
            return False

    def _found(self, value: JSON) -> list[Any]:
        token = followed_references.set([0])
        try:
            return list(islice(self.validator.iter_errors(value), MAX_ERRORS_READ))
        finally:
            followed_references.reset(token)


def compile_schema(
    document: JSON, resolve: Resolve | None = None, base: str = "", *, fast: bool = True
) -> Schema:
    """Compile `document`, or raise CompileError with all problems and their paths in it.

    `base` is the path of its file under the configuration's folder, which its references are
    relative to. `resolve` returns the parsed file of such a path or raises CompileError. With
    `fast`, `fast_check` accepts most valid values, and jsonschema decides all others.
    """
    library = load_jsonschema()
    if isinstance(document, bool):
        document = {} if document else {"not": {}}
    if not isinstance(document, dict):
        raise CompileError("a JSON Schema is a mapping")
    kind = _check(document)
    documents = _load_references(document, resolve, base)
    _check_patterns(document)
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    registry: Any = library.validators.SPECIFICATIONS
    for uri, contents in documents.items():
        registry = registry.with_resource(
            uri, Resource.from_contents(contents, default_specification=DRAFT202012)
        )
    registry = Registry().combine(registry.crawl())
    uri = ROOT_URI + base
    root = (
        {"$schema": document.get("$schema", DRAFT), "$ref": uri}
        if len(documents) > 1 or base
        else document
    )
    _check_fragments(documents, registry)
    validator = bound_keywords(kind)(
        root, registry=registry, format_checker=build_format_checker(kind)
    )
    return Schema(document, validator, _acceptor(documents) if fast else None)


def _check(document: dict[str, Any]) -> Any:
    """Return the validator class for `document`; CompileError if it is not a schema."""
    library = load_jsonschema()
    for _ in iterate_schemas(document):  # raises CompileError if it is too big
        pass
    kind = library.Draft202012Validator
    if "$schema" in document:
        kind = (
            library.validators.validator_for(document, default=None)
            if isinstance(document["$schema"], str)
            else None
        )
    if kind is None:
        raise CompileError([(("$schema",), f"an unknown draft; allowed: {DRAFT}")])
    error = library.exceptions.best_match(kind(kind.META_SCHEMA).iter_errors(document))
    if error is not None:
        path, message = describe(error)
        raise CompileError(
            [
                (
                    tuple(error.absolute_path),
                    f"not a JSON Schema: {path}: {shorten(message, MAX_MESSAGE)}",
                )
            ]
        )
    return kind


def _load_references(
    document: dict[str, Any], resolve: Resolve | None, base: str
) -> dict[str, Any]:
    """Return `document` and every document it refers to, by URI."""
    documents = {ROOT_URI + base: document}
    identifiers = find_identifiers(document, ROOT_URI + base)
    waiting = [(ROOT_URI + base, document, True)]
    problems: list[tuple[tuple[str | int, ...], str]] = []
    while waiting:
        uri, current, outermost = waiting.pop()
        for path, written, target in iterate_references(current, uri):
            if (
                target in documents
                or target in identifiers
                or target.startswith("https://json-schema.org/draft/")
            ):
                continue
            try:
                documents[target] = _read(written, target, uri, resolve)
            except CompileError as error:
                where = "" if outermost else f"in {uri.removeprefix(ROOT_URI)}: "
                problems.append((path if outermost else (), where + str(error)))
                continue
            identifiers |= find_identifiers(documents[target], target)
            waiting.append((target, documents[target], False))
    if problems:
        raise CompileError(problems)
    return documents


def _read(written: str, target: str, base: str, resolve: Resolve | None) -> dict[str, Any]:
    scheme, host, path = urlsplit(written)[:3]
    inside = posixpath.normpath(
        posixpath.join(posixpath.dirname(base.removeprefix(ROOT_URI)), unquote(path))
    )
    # some versions of Python make a URI without a folder of it
    is_outside = inside.startswith(("../", "/")) or inside == ".."
    if scheme or host or not (is_outside or target.startswith(ROOT_URI)):
        raise CompileError(
            f"$ref `{shorten(written, 60)}`: only files under the folder of routes.yaml are read,"
            " never a URL"
        )
    if is_outside:
        raise CompileError(f"$ref `{shorten(written, 60)}` leads out of the folder of routes.yaml")
    if resolve is None:
        raise CompileError(f"$ref `{shorten(written, 60)}`: no files can be read here")
    document = resolve(inside)
    if not isinstance(document, dict):
        raise CompileError(f"$ref `{shorten(written, 60)}`: the file is not a JSON Schema")
    _check(document)
    _check_patterns(document)
    return document


def _check_patterns(document: dict[str, Any]) -> None:
    problems: list[tuple[tuple[str | int, ...], str]] = []
    named = False
    evaluated = False
    for path, schema, _ in iterate_schemas(document):
        texts: list[tuple[tuple[str, ...], str]] = (
            [(("pattern",), schema["pattern"])] if isinstance(schema.get("pattern"), str) else []
        )
        if isinstance(schema.get("patternProperties"), dict):
            named = True
            texts += [(("patternProperties", text), text) for text in schema["patternProperties"]]
        evaluated = evaluated or "unevaluatedProperties" in schema
        for below, text in texts:
            try:
                compile_pattern(text)
            except CompileError as error:
                problems.append(((*path, *below), str(error)))
    if named and evaluated:  # the library would match the names with a backtracking engine
        problems.append(
            (
                (),
                (
                    "unevaluatedProperties and patternProperties in one schema are not supported;"
                    " use additionalProperties"
                ),
            )
        )
    if problems:
        raise CompileError(problems)


def _follow(resolver: Any, reference: str) -> None:
    """Raise LookupError if `reference`, or one at its target, is broken, circular or no schema."""
    for _ in range(MAX_REFERENCE_CHAIN):
        resolved = resolver.lookup(reference)
        further = resolved.contents.get("$ref") if isinstance(resolved.contents, dict) else None
        if not isinstance(further, str):
            if not isinstance(resolved.contents, dict | bool):
                raise LookupError("no schema")
            return
        resolver = resolved.resolver
        reference = further
    raise LookupError("a circle")


def _check_fragments(documents: dict[str, Any], registry: Any) -> None:
    """Raise CompileError if the target of a reference does not exist."""
    from referencing.exceptions import Unresolvable

    problems = []
    for index, (uri, document) in enumerate(documents.items()):
        for path, schema, base in iterate_schemas(document, base=uri):
            if isinstance(schema.get("$ref"), str):
                try:
                    _follow(registry.resolver(base), schema["$ref"])
                except (Unresolvable, ValueError, LookupError):
                    where = "" if index == 0 else f"in {uri.removeprefix(ROOT_URI)}: "
                    problems.append(
                        (
                            (*path, "$ref") if index == 0 else (),
                            f"{where}$ref `{shorten(schema['$ref'], 60)}` cannot be resolved",
                        )
                    )
    if problems:
        raise CompileError(problems)


def _acceptor(documents: dict[str, Any]) -> Accept | None:
    """Return the fast check of a single document of the default draft, else None."""
    if len(documents) != 1:
        return None
    (document,) = documents.values()
    if document.get("$schema", DRAFT) != DRAFT:
        return None
    return fast_check.compile_acceptor(document)
