"""The OpenAPI 3.1 document of the admin API, built from the table of endpoints.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import Any, Final

from bridge import __version__
from bridge.core.scopes import SCOPE_SUMMARIES
from bridge.web.admin.endpoints import ENDPOINTS, Endpoint
from bridge.web.admin.entry import PREFIX
from bridge.web.admin.parameters import STREAM_LIMIT, Parameter
from bridge.web.admin.problems import MEDIA_TYPE, PROBLEM_TYPES
from bridge.web.admin.schemas import SCHEMAS
from bridge.web.admin.streams import NDJSON

_PATH_PART: Final = re.compile(r"\{(\w+)\}")
#: Problems that any endpoint may answer, by status.
COMMON_STATUSES: Final = (400, 401, 403, 406, 429, 500, 503)


@cache
def build_document() -> dict[str, Any]:
    """Return the document, which is the same for the life of a process."""
    scopes = "; ".join(f"`{scope}`: {summary}" for scope, summary in SCOPE_SUMMARIES.items())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "flowbridge admin API",
            "version": __version__,
            "description": (
                "Reads what a bridge received and what became of it. Tokens have scopes:"
                f" {scopes}. Times are ISO 8601 in UTC. Errors are problems of RFC 9457."
            ),
        },
        "servers": [{"url": PREFIX}],
        "security": [{"token": []}],
        "paths": {one.path: {"get": _describe(one)} for one in ENDPOINTS},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _describe(endpoint: Endpoint) -> dict[str, Any]:
    parts = _PATH_PART.findall(endpoint.path)
    statuses = {*COMMON_STATUSES, *([404, 409] if parts else [])}
    parameters = endpoint.parameters
    if endpoint.stream is not None:
        parameters = tuple(_with_stream_limit(one) for one in parameters)
    return {
        "summary": endpoint.summary,
        "description": f"Needs the scope `{endpoint.scope}`.",
        "operationId": endpoint.answer.__name__,
        "parameters": [
            *(_part(name) for name in parts),
            *(_parameter(one) for one in parameters),
        ],
        "responses": {
            "200": _success(endpoint),
            **{str(status): _problem(status) for status in sorted(statuses)},
        },
    }


def _with_stream_limit(one: Parameter) -> Parameter:
    """Return the limit of a list with that of its stream, which JSON Schema cannot tell apart."""
    if one.name != STREAM_LIMIT.name:
        return one
    most = one.schema["maximum"]
    return replace(
        one,
        doc=f"The number of items: 1 to {most} (default {one.default}); in a stream any number, 0"
        " for all (default).",
        schema={"type": "integer", "minimum": 0},
    )


def _success(endpoint: Endpoint) -> dict[str, Any]:
    if endpoint.schema is None:
        return {"description": "The bytes.", "content": {"application/octet-stream": {}}}
    schema = {"$ref": f"#/components/schemas/{endpoint.schema}"}
    content = {"application/json": {"schema": schema}}
    if endpoint.stream is not None:
        # Each line is one item of the page.
        item = {"$ref": f"#/components/schemas/{endpoint.schema.removesuffix('Page')}"}
        content[NDJSON] = {"schema": item}
    return {"description": endpoint.summary, "content": content}


def _problem(status: int) -> dict[str, Any]:
    words = [one.word for one in PROBLEM_TYPES.values() if one.status == status]
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": ", ".join(words), "content": {MEDIA_TYPE: {"schema": schema}}}


def _part(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": "The id, or a beginning or an ending of it that names one record.",
        "schema": {"type": "string"},
    }


def _parameter(one: Parameter) -> dict[str, Any]:
    needs = " Needs the scope `bodies`." if one.reads_contents else ""
    described: dict[str, Any] = {
        "name": one.name,
        "in": "query",
        "required": one.is_required,
        "description": f"{one.doc}{needs}",
        "schema": dict(one.schema),
    }
    if one.max_count > 1:
        described |= {"style": "form", "explode": True}
    return described
