"""Build `platforms` and `flows`."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path as File
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bridge.config.build.local_keys import build_keys
from bridge.config.problems import Path, Report, join_names
from bridge.config.valid_document import ValidDocument
from bridge.core.typos import suggest
from bridge.routing.idle_routes import describe_placeholder
from bridge.routing.model import PLACEHOLDER_ID, Flow, Platform

if TYPE_CHECKING:
    from bridge.config.schema.platforms import FlowSchema, GumloopSchema, HttpSchema, LocalSchema

DEFAULT_CONCURRENT_RUNS = {"gumloop": 5, "http": 16}
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_HEADER_PATTERN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_UNSENDABLE = re.compile(r"[\r\n\0]|[^\x00-\xff]")
_RESERVED_HEADERS = frozenset(
    {"content-length", "host", "transfer-encoding", "connection", "idempotency-key"}
)


def build_platforms(
    document: ValidDocument, folder: File, cpus: int, report: Report
) -> dict[str, Platform]:
    """Return the platforms by name."""
    platforms: dict[str, Platform] = {}
    for name, model in document.platforms.items():
        path: Path = ("platforms", name)
        if not NAME_PATTERN.fullmatch(name):
            report.add(path, f"`{name}` is not a name; allowed: letters, digits, - _ .", key=True)
        platforms[name] = _BUILDERS[model.type](name, model, folder, cpus, path, report)
        if model.type == "local":
            platforms[name] = replace(
                platforms[name], keys=build_keys(model, name, document.flows, report)
            )
    local = [name for name, platform in platforms.items() if platform.type == "local"]
    for name in local[1:]:
        report.add(
            ("platforms", name),
            f"`{local[0]}` is of type local already; there can be one, as it is served under"
            " /api/v1",
            key=True,
        )
    return platforms


def _build_gumloop(
    name: str,
    model: GumloopSchema,
    _folder: File,
    _cpus: int,
    path: Path,
    report: Report,
) -> Platform:
    for key in ("api_key", "user_id"):
        if not getattr(model, key).strip():
            report.add((*path, key), "must not be empty")
    is_rehearsal = model.base_url.startswith("http://")  # allowed only for this machine
    if model.api_key.strip() and not is_rehearsal and not report.is_filled((*path, "api_key")):
        advice = "put it into .env as GUMLOOP_API_KEY and write ${env:GUMLOOP_API_KEY}"
        report.add(
            (*path, "api_key"),
            f"this key is readable by anyone with access to this file: {advice}",
            level="warning",
        )
    _check_sendable(model.api_key, (*path, "api_key"), report)
    _check_url(model.base_url, (*path, "base_url"), "the API key would be sent", report)
    return Platform(
        name=name,
        type="gumloop",
        base_url=model.base_url.rstrip("/"),
        api_key=model.api_key,
        user_id=model.user_id,
        project_id=model.project_id or None,
        max_concurrent_runs=model.max_concurrent_runs or DEFAULT_CONCURRENT_RUNS["gumloop"],
        timeout=float(model.timeout),
        file_links=float(model.file_links),
    )


def _build_local(
    name: str, model: LocalSchema, folder: File, cpus: int, _path: Path, _report: Report
) -> Platform:
    return Platform(
        name=name,
        type="local",
        flows=str(folder / model.flows) if model.flows else None,
        overflow=model.overflow,
        max_concurrent_runs=model.max_concurrent_runs or 2 * cpus,
        timeout=float(model.timeout),
        file_links=float(model.file_links),
    )


def _build_http(
    name: str, model: HttpSchema, _folder: File, _cpus: int, path: Path, report: Report
) -> Platform:
    headers = model.headers or {}
    _check_url(model.url, (*path, "url"), "the headers and the inputs would be sent", report)
    for header, value in headers.items():
        if not is_header_name(header):
            report.add(
                (*path, "headers", header),
                f"`{header[:60]}` is not a header that can be set",
                key=True,
            )
        elif not value.isprintable():
            report.add((*path, "headers", header), "a header's value is one line of printable text")
        else:
            _check_sendable(value, (*path, "headers", header), report)
    return Platform(
        name=name,
        type="http",
        base_url=model.url,
        method=model.method,
        headers=headers,
        files=model.files,
        max_concurrent_runs=model.max_concurrent_runs or DEFAULT_CONCURRENT_RUNS["http"],
        timeout=float(model.timeout),
        file_links=float(model.file_links),
    )


def is_header_name(text: str) -> bool:
    """Return whether a platform's `headers` can have this name."""
    return bool(_HEADER_PATTERN.fullmatch(text)) and text.lower() not in _RESERVED_HEADERS


_BUILDERS: dict[str, Callable[..., Platform]] = {
    "gumloop": _build_gumloop,
    "local": _build_local,
    "http": _build_http,
}


def _check_sendable(value: str, path: Path, report: Report) -> None:
    """Warn of a value that no request can carry in a header."""
    if _UNSENDABLE.search(value):
        report.add(
            path,
            "has a character that no HTTP header can hold, so that no run would start",
            level="warning",
        )


def _check_url(url: str, path: Path, what: str, report: Report) -> None:
    problem = find_url_problem(url, what)
    if problem is None and path[-1] == "base_url" and urlsplit(url).query:
        problem = "must not have a ? or # part"
    if problem is not None:
        report.add(path, problem)


def find_url_problem(url: str, what: str) -> str | None:
    """Return why a platform cannot have this URL, or None. `what`: what http:// would show."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _port = parts.port
    except ValueError:
        parts = urlsplit("")
        host = None
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", url):
        return "needs a URL that begins with https:// (or http:// on this machine)"
    if parts.username or parts.password:
        return "must not hold user and password; a credential belongs in its own key"
    if parts.fragment:
        return "must not have a ? or # part"
    if parts.scheme == "http" and not is_this_machine(host):
        return (
            f"http:// is allowed only for this machine (127.0.0.1, ::1, localhost), because {what}"
            " unencrypted; write https://"
        )
    return None


def is_this_machine(host: str) -> bool:
    """Return whether the host of a URL is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def build_flows(
    document: ValidDocument, platforms: dict[str, Platform], declared: list[str], report: Report
) -> dict[str, Flow]:
    """Return the flows by name.

    `declared` are the names of all platforms, including those with problems of their own.
    """
    flows = {}
    for name, model in document.flows.items():
        path: Path = ("flows", name)
        if not NAME_PATTERN.fullmatch(name):
            report.add(path, f"`{name}` is not a name; allowed: letters, digits, - _ .", key=True)
        if model.platform not in declared:
            report.add((*path, "platform"), describe_missing_platform(model.platform, declared))
        elif model.platform in platforms:
            flows[name] = _build_flow(name, model, platforms[model.platform], path, report)
    _check_limits(flows, report)
    return flows


def _build_flow(
    name: str, model: FlowSchema, platform: Platform, path: Path, report: Report
) -> Flow:
    for key in ("time_limit", "memory"):
        if getattr(model, key) is not None and platform.type != "local":
            problem = (
                f"`{key}` is only for flows of a platform of type local; `{platform.name}` is of"
                f" type {platform.type}"
            )
            report.add((*path, key), problem, key=True)
    is_placeholder = (
        model.placeholder and platform.type == "local" and model.saved_item_id == PLACEHOLDER_ID
    )
    if is_placeholder:
        report.add((*path, "placeholder"), describe_placeholder(name), level="warning")
    return Flow(
        name=name,
        platform=model.platform,
        saved_item_id=model.saved_item_id,
        exclusive=model.exclusive,
        time_limit=None if model.time_limit is None else float(model.time_limit),
        memory=model.memory,
        placeholder=is_placeholder,
    )


def _check_limits(flows: dict[str, Flow], report: Report) -> None:
    """Report two names of one saved flow that have different limits."""
    for key in ("time_limit", "memory"):
        said: dict[tuple[str, str], str] = {}
        for name, flow in flows.items():
            first = (
                said.setdefault((flow.platform, flow.saved_item_id), name)
                if getattr(flow, key) is not None
                else name
            )
            if getattr(flows[first], key) != getattr(flow, key):
                report.add(
                    ("flows", name, key),
                    f"`{first}` is the same saved flow and has another `{key}`",
                )


def describe_missing_platform(name: str, declared: list[str]) -> str:
    """Return the message that there is no platform `name`, with the allowed names."""
    return f"no platform `{name}`; {suggest(name, declared)}allowed: {join_names(declared)}"
