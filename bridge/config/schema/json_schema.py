"""The JSON Schema of routes.yaml for editors (yaml-language-server)."""

from __future__ import annotations

import json
from typing import Any

from bridge.config.schema.document import DocumentSchema

DRAFT_URL = "https://json-schema.org/draft/2020-12/schema"


def editor_schema() -> dict[str, Any]:
    """Return the JSON Schema of routes.yaml, with a description of every key."""
    schema = DocumentSchema.model_json_schema(by_alias=True)
    _simplify(schema)
    return {
        "$schema": DRAFT_URL,
        "title": "routes.yaml of flowbridge",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def schema_text() -> str:
    """Return the text of the committed `routes.schema.json`."""
    return json.dumps(editor_schema(), indent=2, ensure_ascii=False) + "\n"


def _simplify(node: Any) -> None:
    """Remove pydantic's titles, null defaults and discriminators, which editors do not need.

    Also joins the lines of each description.
    """
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            node["description"] = node["description"].replace("\n", " ")
        if isinstance(node.get("title"), str):
            del node["title"]
        if "discriminator" in node and not isinstance(node.get("discriminator"), str):
            node.pop("discriminator")
        if node.get("default", 0) is None or isinstance(node.get("default"), (float, dict)):
            node.pop("default")  # the description has durations as they are written
        for value in node.values():
            _simplify(value)
    elif isinstance(node, list):
        for value in node:
            _simplify(value)
