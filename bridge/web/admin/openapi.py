"""The OpenAPI 3.1 document of the admin API, built from the table of endpoints.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from bridge import __version__
from bridge.api.context import API_PATH
from bridge.api.endpoint import LIST, NO_CONTENT, Endpoint
from bridge.api.parameters import STREAM_LIMIT, Parameter
from bridge.api.problems import MEDIA_TYPE, PROBLEM_TYPES
from bridge.core.model import RunState, Status
from bridge.core.scopes import SCOPE_SUMMARIES, Scope
from bridge.routing.model import Mode
from bridge.services.filter_values import DEAD_KINDS
from bridge.services.records.json_schema import ref
from bridge.web.admin.endpoints import ENDPOINTS
from bridge.web.admin.schemas import SCHEMAS
from bridge.web.admin.streams import NDJSON

JSON_VALUE: Final = {"description": "A JSON value."}
BINARY: Final = {"type": "string", "format": "binary"}
PART_DOC: Final = "The id, or a beginning or an ending of it that names one record."
_PATH_PART: Final = re.compile(r"\{(\w+)\}")
#: Words that many schemas have, by the name of a schema of their own.
ENUMS: Final[dict[str, list[str | None]]] = {
    name: [str(value) for value in words]
    for name, words in (
        ("DeadKind", DEAD_KINDS),
        ("DeliveryStatus", Status),
        ("RouteMode", Mode),
        ("RunState", RunState),
        ("Scope", Scope),
    )
}
#: Problems that any endpoint may answer, by status.
COMMON_STATUSES: Final = (400, 401, 403, 406, 414, 429, 500, 502, 503)
#: The answer to a request whose head is not accepted, which is given before its path is read.
REFUSED_HEAD: Final = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "message": {"type": "string"}},
    "required": ["error", "message"],
}
#: Headers of requests that change something, and that of requests that may be repeated.
REQUEST_HEADERS: Final = (
    ("X-Flowbridge-Actor", "A name that is recorded beside that of the token."),
)
IDEMPOTENCY_KEY: Final = (
    "Idempotency-Key",
    "The same key and body of a token begin one operation or run, and get it as the answer.",
)
#: Problems that an endpoint with a method other than GET may answer too.
CHANGE_STATUSES: Final = (409, 413, 415)


@cache
def build_document() -> dict[str, Any]:
    """Return the document, which is the same for the life of a process."""
    return describe_endpoints(ENDPOINTS)


def describe_endpoints(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """Return the document of these endpoints."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _describe(endpoint)
    bodies = {
        endpoint.body.name: endpoint.body.schema
        for endpoint in endpoints
        if endpoint.body is not None
    }
    scopes = "; ".join(f"`{scope}`: {summary}" for scope, summary in SCOPE_SUMMARIES.items())
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "flowbridge admin API",
            "version": __version__,
            "description": (
                "Reads what a bridge received and what became of it, and runs operations. Tokens"
                f" have scopes: {scopes}. Times are ISO 8601 in UTC."
                " Errors are problems of RFC 9457."
            ),
        },
        "servers": [{"url": API_PATH}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**SCHEMAS, **bodies},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }
    named: dict[str, Any] = _name_enums(document)
    for name, words in ENUMS.items():
        named["components"]["schemas"][name] = {"type": "string", "enum": words}
    return named


def _name_enums(part: Any) -> Any:
    """Return a part of the document with references to the schemas of `ENUMS`."""
    if isinstance(part, list):
        return [_name_enums(item) for item in part]
    if not isinstance(part, dict):
        return part
    words = part.get("enum", ())
    name = next((name for name in ENUMS if words in (ENUMS[name], [*ENUMS[name], None])), None)
    if name is None or part.keys() != {"type", "enum"}:
        return {key: _name_enums(value) for key, value in part.items()}
    return {"anyOf": [ref(name), {"type": "null"}]} if None in words else ref(name)


def find_path_parts(path: str) -> list[str]:
    """Return the names of the variable parts of a path."""
    return _PATH_PART.findall(path)


def _describe(endpoint: Endpoint) -> dict[str, Any]:
    parts = find_path_parts(endpoint.path)
    changes = CHANGE_STATUSES if endpoint.changes else ()
    of_parts = (404, 409) if parts else ()
    statuses = {*COMMON_STATUSES, *of_parts, *changes, *endpoint.more_problems}
    parameters = endpoint.parameters
    if endpoint.streams:
        parameters = tuple(_with_stream_limit(parameter) for parameter in parameters)
    described: dict[str, Any] = {
        "summary": endpoint.summary,
        "description": f"Needs the scope `{endpoint.scope}`.",
        "operationId": f"{endpoint.name}{'_deprecated' if endpoint.successor else ''}",
        "tags": [endpoint.path.split("/")[1] or "api"],
        "parameters": [
            *(_part(name) for name in parts),
            *(_parameter(parameter) for parameter in parameters),
            *(_header(*header) for header in REQUEST_HEADERS if endpoint.changes),
            *([_header(*IDEMPOTENCY_KEY)] if endpoint.repeat is not None else []),
        ],
        "responses": {
            str(endpoint.status): _success(endpoint),
            **{
                str(status): _json_content(endpoint.summary, name)
                for status, name in endpoint.more_answers.items()
            },
            **{str(status): _problem(status) for status in sorted(statuses)},
        },
    }
    if endpoint.successor:
        described["deprecated"] = True
        described["description"] += f" Use `{endpoint.successor}` instead."
    if endpoint.body is not None:
        body = _json_content("The request.", endpoint.body.name)
        described["requestBody"] = {**body, "required": True}
    return described


def _with_stream_limit(parameter: Parameter) -> Parameter:
    """Return the limit of a list with that of its stream, which JSON Schema cannot tell apart."""
    if parameter.name != STREAM_LIMIT.name:
        return parameter
    maximum = parameter.schema["maximum"]
    return replace(
        parameter,
        doc=f"The number of items: 1 to {maximum} (default {parameter.default}); in a stream any"
        " number, 0 for all (default).",
        schema={"type": "integer", "minimum": 0},
    )


def _header(name: str, description: str) -> dict[str, Any]:
    return _text_parameter(name, "header", description, required=False)


def _part(name: str) -> dict[str, Any]:
    return _text_parameter(name, "path", PART_DOC, required=True)


def _text_parameter(name: str, place: str, description: str, *, required: bool) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }


def _success(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.status == NO_CONTENT:
        return {"description": endpoint.summary}
    if endpoint.schema is None:
        schemas = {
            media_type: JSON_VALUE if "json" in media_type else BINARY
            for media_type in endpoint.media_types
        }
        content = {media_type: {"schema": schema} for media_type, schema in schemas.items()}
        return {"description": "The bytes.", "content": content}
    described = _json_content(endpoint.summary, endpoint.schema)
    if endpoint.streams:
        # Each line is one item of the page.
        line = _json_content("", endpoint.schema.removesuffix(LIST))
        described["content"][NDJSON] = line["content"]["application/json"]
    return described


def _json_content(description: str, schema_name: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{schema_name}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _problem(status: int) -> dict[str, Any]:
    words = [
        problem_type.word
        for problem_type in PROBLEM_TYPES.values()
        if problem_type.status == status
    ]
    if not words:  # the server answers before the API does
        content = {"application/json": {"schema": REFUSED_HEAD}}
        return {"description": HTTPStatus(status).phrase, "content": content}
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": ", ".join(words), "content": {MEDIA_TYPE: {"schema": schema}}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    needs = " Needs the scope `bodies`." if parameter.reads_contents else ""
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": f"{parameter.doc}{needs}",
        "schema": dict(parameter.schema),
    }
    if parameter.max_count > 1:
        described |= {"style": "form", "explode": True}
    return described
