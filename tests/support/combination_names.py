"""The names of all records of the combination, and what reads each of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from console_records import OPENED_PAGES

from bridge.core.trends import TRENDS
from bridge.web.admin.endpoints import ENDPOINTS

if TYPE_CHECKING:
    from combination import Combination

API = "/admin/v1"
#: Commands that read without an argument.
READING_WORDS = (
    *("alerts", "audit", "causes", "db check", "operations", "rejects", "spam", "status"),
    *("token list", "types"),
)
#: Providers whose rows are read one by one.
PROVIDERS = ("github", "form", "hmac")


@dataclass(frozen=True)
class Names:
    """The names of records by the word that is before them in a path."""

    by_kind: dict[str, list[str]]
    files: list[tuple[str, str]]  #: event and SHA-256
    flows: list[tuple[str, str]]  #: platform and id
    runs: list[tuple[str, str]]  #: platform and id
    types: list[tuple[str, str]]  #: source and type
    whole_rejects: list[str]  #: rejects whose bodies are stored
    named_flows: list[str]
    late: list[str]  #: operations that a copy of the project lacks

    @classmethod
    def read(cls, combination: Combination) -> Names:
        """Read all names through the admin API."""
        api = combination.open_api()

        def items(path: str) -> list[Any]:
            status, _, body = api.get(f"{API}{path}")
            assert status == 200, (path, body)
            return list(json.loads(body)["items"])

        events = items("/events?limit=500")
        by_kind = {
            "events": [one["id"] for one in events],
            "deliveries": [one["id"] for one in items("/deliveries?limit=500")],
            "rejects": [one["id"] for one in items("/rejects")],
            "operations": [one["id"] for one in items("/operations")],
            "tokens": [one["id"] for one in items("/tokens")],
            "configs": [one["hash"] for one in items("/configs")],
            "trials": [combination.trial],
            **{
                kind: [one["name"] for one in items(f"/{kind}")]
                for kind in ("sources", "routes", "platforms")
            },
            "forms": [
                source.name
                for source in combination.config.sources.values()
                if source.provider.name == "form"
            ],
        }
        return cls(
            by_kind,
            files=[(one["id"], file["sha256"]) for one in events for file in one["files"]],
            flows=[
                (one["platform"], one["saved_item_id"]) for one in items("/flows?platform=local")
            ],
            runs=[
                (one["platform"], one["run_id"])
                for one in items("/deliveries?limit=500")
                if one["run_id"] and not one["route"].startswith("run-")  # in no platform
            ],
            types=[
                (one["source"], one["type"])
                for one in items("/types")
                if one["type"] and one["source"] != "github"  # whose bodies are redacted
            ],
            whole_rejects=[one["id"] for one in items("/rejects") if not one["cut"]],
            named_flows=[*combination.config.flows],
            late=[combination.proposal],
        )

    def list_run_ids(self) -> list[str]:
        """Return the ids of runs, in the order of their deliveries."""
        return [run for _, run in self.runs]


def list_pages(names: Names) -> list[str]:
    """Return the addresses of the pages of the console, those of each record."""
    found = []
    for page in OPENED_PAGES:
        path = f"/console{page.path}"
        kind = page.path.split("/")[1]
        if page.path.endswith("/file"):
            found += [f"/console/events/{event}/file?sha256={file}" for event, file in names.files]
        elif page.path == "/configs/diff":
            first, last = names.by_kind["configs"][0], names.by_kind["configs"][-1]
            found.append(f"{path}?a={first}&b={last}")
        elif "<" in page.path:
            found += [re.sub("<.*>", quote(one, safe=""), path) for one in names.by_kind[kind]]
        else:
            found.append(path)
    return found


def list_api_targets(names: Names) -> dict[str, list[str]]:
    """Return the targets of the GETs of the admin API, those of each record, by endpoint."""
    return {
        row.path: [f"{API}{target}" for target in _list_targets(row.path, names)]
        for row in ENDPOINTS
        if row.method == "GET"
    }


def list_streams() -> dict[str, list[str]]:
    """Return the endpoints that also stream their records."""
    return {
        row.path: [f"{API}{row.path}"] for row in ENDPOINTS if row.streams and "{" not in row.path
    }


def _list_targets(path: str, names: Names) -> Iterator[str]:
    """Yield the targets of an endpoint."""
    path = path.replace("/routes/{name}/shadow", "/routes/new-triage/shadow")
    queries = _list_queries(names).get(path)
    if queries is not None:
        yield from (f"{path}?{urlencode(query)}" if query else path for query in queries)
        return
    values = _list_values(names).get(path)
    if values is None:
        kind = path.split("/")[1]
        values = [(name,) for name in names.by_kind[kind]] if "{" in path else [()]
    for filled in values:
        parts = iter(filled)
        yield re.sub(r"\{\w+\}", lambda _, parts=parts: quote(next(parts), safe=""), path)


def _list_values(names: Names) -> dict[str, list[tuple[str, ...]]]:
    """Return what replaces the variables of a path that names no single record."""
    configs = names.by_kind["configs"]
    return {
        "/rejects/{id}/explain": [(reject,) for reject in names.whole_rejects],
        "/events/{id}/files/{sha256}": [*names.files],
        "/flows/{platform}/{id}/inputs": [*names.flows],
        "/runs/{platform}/{id}": [*names.runs],
        "/configs/{a}/diff/{b}": [*product(configs, configs)],
        "/submissions/{source}": [(form,) for form in names.by_kind["forms"]],
        "/sources/{name}/learn": [("asana",)],
    }


def _list_queries(names: Names) -> dict[str, list[dict[str, str]]]:
    """Return the queries of a path that needs one, or has another answer with one."""
    flows = [{"flow": flow} for flow in names.named_flows]
    return {
        "/find": [{"q": names.by_kind["events"][0]}, {"q": "a/b"}],
        "/flows": [{"platform": platform} for platform in ("local", "gumloop")],
        "/flows/inputs": [{"flow": flow} for flow in ("triage", "greet", "an.echo_-1")],
        "/routes/new-triage/shadow": [{"live": "triage"}],
        "/runs": [{}, *flows[:2]],
        "/trends": [{"name": name, "since": "1h"} for name in TRENDS],
        "/types/schema": [{"source": source, "type": type_} for source, type_ in names.types],
    }


def list_commands(names: Names) -> dict[str, list[tuple[str, ...]]]:
    """Return the commands that read, each with its arguments for each record."""
    kinds = names.by_kind
    flows: list[tuple[str, ...]] = [("triage",), ("greet",)]
    shown = [name for kind in ("events", "deliveries", "rejects") for name in kinds[kind]]
    return {
        **{word: [()] for word in READING_WORDS},
        "deliveries": [("--limit", "0"), *(("--route", name) for name in kinds["routes"])],
        "events": [
            (),
            ("--limit", "0"),
            ("--status", "none"),
            *(("--source", name) for name in kinds["sources"]),
        ],
        "explain": [(name,) for name in (*kinds["events"], *names.whole_rejects)],
        "flows inputs": flows,
        "flows list": [("local",), ("gumloop",)],
        "flows runs": flows,
        "form": [(name,) for name in kinds["forms"]],
        "operations show": [(name,) for name in kinds["operations"] if name not in names.late],
        "providers": [(), *((name,) for name in PROVIDERS)],
        "shadow": [("new-triage", "triage")],
        "show": [(), *((name,) for name in shown)],
        "trends": [(), *((name,) for name in TRENDS)],
    }
