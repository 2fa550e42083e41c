"""The event and the routes.yaml of most measurements: GitHub's `issues`, signed, and one route."""

from __future__ import annotations

import hmac
import json

from bridge.providers.samples.loader import sample

SECRET = "b3f1c0ffee" * 4
SIZE = 9 * 1024  # bytes of the payload: between a GitHub push (7 KB) and a pull request (24 KB)
SCHEMA = {
    "type": "object",
    "required": ["action", "issue", "repository"],
    "properties": {
        "action": {"enum": ["opened", "reopened"]},
        "issue": {
            "type": "object",
            "required": ["number", "title", "user"],
            "properties": {
                "number": {"type": "integer", "minimum": 1},
                "title": {"type": "string", "maxLength": 500},
                "user": {
                    "type": "object",
                    "required": ["login"],
                    "properties": {"login": {"type": "string"}},
                },
                "labels": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                },
            },
        },
        "repository": {"type": "object", "required": ["full_name"]},
    },
}
INPUTS_SCHEMA = {
    "type": "object",
    "required": ["title", "number", "event_id"],
    "properties": {
        "title": {"type": "string", "maxLength": 200},
        "number": {"type": "integer"},
        "labels": {"type": "string"},
    },
}


def routes(url: str, slots: int = 64) -> str:
    """Return a routes.yaml whose one route matches, reshapes six fields and validates both schemas,
    for the flow at `url`.
    """
    document = {
        "version": 1,
        "platforms": {"stub": {"type": "http", "url": url, "max_concurrent_runs": slots}},
        "sources": {"github": {"provider": "github", "secret": SECRET}},
        "routes": [
            {
                "name": "triage",
                "on": "github issues",
                "match": {
                    "body.action": ["opened", "reopened"],
                    "body.issue.user.type": {"ne": "Bot"},
                },
                "payload_schema": SCHEMA,
                "inputs": {
                    "title": "${body.issue.title}",
                    "number": "${body.issue.number}",
                    "summary": "#${body.issue.number} by ${body.issue.user.login}",
                    "labels": "${join(', ', body.issue.labels[].name)}",
                    "repository": "${body.repository.full_name}",
                    "event_id": "${event.id}",
                },
                "inputs_schema": INPUTS_SCHEMA,
                "flow": "stub/triage",
            }
        ],
    }
    return json.dumps(document, indent=1)  # JSON is YAML


def slots_routes(url: str, slots: int) -> str:
    """Return the same routes.yaml for the platform with `slots` at `url`, which slots.py runs."""
    document = json.loads(routes("http://127.0.0.1:1/"))
    platform = {
        "type": "gumloop",
        "base_url": f"{url}/api/v1",
        "api_key": "k",
        "user_id": "u",
        "max_concurrent_runs": slots,
    }
    document["platforms"] = {"gumloop": platform}
    document["routes"][0]["flow"] = "gumloop/q3dasHQBidkNeXvAZo6Dby"
    return json.dumps(document, indent=1)


def payload() -> bytes:
    """Return GitHub's `issues` event, opened, of SIZE bytes."""
    document = json.loads(sample("github", "issues", now=1764000000.0, new_id="bench").body)
    document["action"] = "opened"
    document["issue"]["body"] = ""
    short = len(json.dumps(document, separators=(",", ":")))
    document["issue"]["body"] = "All work and no play. " * 1000
    document["issue"]["body"] = document["issue"]["body"][: max(0, SIZE - short)]
    return json.dumps(document, separators=(",", ":")).encode()


def sign(body: bytes) -> str:
    """Return the value of GitHub's header of the signature."""
    return f"sha256={hmac.new(SECRET.encode(), body, 'sha256').hexdigest()}"


def signed_headers(body: bytes) -> dict[str, str]:
    """Return the headers of a body; each request needs an `X-GitHub-Delivery` of its own too."""
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": "issues",
        "X-Hub-Signature-256": sign(body),
    }
