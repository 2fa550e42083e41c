"""routes.yaml read, checked and compiled into `routes.Config`; all its problems at once, each with its place."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge.config.checking import check as check_document
from bridge.config.editor import editor_schema, schema_text
from bridge.config.files import Folder, gather
from bridge.config.filling import Filler
from bridge.config.platforms import build_flows, build_platforms
from bridge.config.report import Report
from bridge.config.routing import Known, build_routes
from bridge.config.schemas import Schemas
from bridge.config.sources import build_sources
from bridge.config.traps import find_traps
from bridge.errors import ConfigError, Problem
from bridge.routes import Config

__all__ = ["check", "editor_schema", "load", "load_canonical", "schema_text"]


def load(path: str | Path, environ: Mapping[str, str], *, strict_secrets: bool = True, cpus: int | None = None) -> Config:
    """Return the configuration in the file `path`, or raise ConfigError with every problem.

    `environ` fills `${env:NAME}`. Without `strict_secrets` a missing secret is no error; its source then verifies nothing.
    `cpus` (this machine's) gives the default cap of local platforms.
    """
    config, problems = check(path, environ, strict_secrets=strict_secrets, cpus=cpus)
    if config is None:
        raise ConfigError([problem for problem in problems if problem.level == "error"])
    return config


def check(
    path: str | Path, environ: Mapping[str, str], *, strict_secrets: bool = True, cpus: int | None = None
) -> tuple[Config | None, list[Problem]]:
    """Return the configuration (None where it cannot be used) and every problem, warnings too."""
    report = Report(str(path))
    data, folder = gather(Path(path), report)
    config = _build(data, folder, environ, report, strict_secrets, cpus)
    return config, report.sorted()


def load_canonical(
    text: str, environ: Mapping[str, str], folder: str | Path = ".", *, strict_secrets: bool = True, cpus: int | None = None
) -> Config:
    """Return the configuration that `Config.canonical` was kept of; the schema files are those in it, secrets those of now."""
    document = json.loads(text)
    report = Report("(kept configuration)")
    config = _build(document["config"], Folder(Path(folder), document["schemas"]), environ, report, strict_secrets, cpus)
    if config is None:
        raise ConfigError(report.sorted())
    return config


def _build(
    data: dict[str, Any], folder: Folder, environ: Mapping[str, str], report: Report, strict: bool, cpus: int | None
) -> Config | None:
    if () in report.settled:
        return None
    find_traps(data, report)
    filler = Filler(environ, folder.path, report, strict)
    filled = filler.fill(data)
    document = check_document(filled, report)
    schemas = Schemas(folder, report)
    names = {key: list(data[key]) if isinstance(data.get(key), dict) else [] for key in ("platforms", "sources", "flows")}
    platforms = build_platforms(document, folder.path, cpus or os.cpu_count() or 1, report)
    flows = build_flows(document, platforms, names["platforms"], report)
    sources = build_sources(document, schemas, report)
    known = Known(
        sources,
        names["sources"],
        flows,
        names["flows"],
        platforms,
        names["platforms"],
        {name: source.provider for name, source in document.sources.items()},
    )
    routes, used = build_routes(document.routes, known, schemas, report)
    for name in names["sources"]:
        if name not in used:
            report.add(("sources", name), "no route uses this source", key=True, level="warning")
    if not document.complete and not report.failed:
        report.add((), "cannot be used without what is missing")
    if report.failed:
        return None
    canonical = json.dumps({"config": data, "schemas": folder.texts}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    files = tuple(dict.fromkeys([*folder.read, *filler.read]))
    return Config(sources=sources, routes=routes, flows=flows, platforms=platforms, hash=digest, canonical=canonical, files=files)
