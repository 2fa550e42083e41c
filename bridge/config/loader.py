"""Load routes.yaml: read, check and compile it, and report all its problems with their places."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.config.build.json_schemas import Schemas
from bridge.config.build.platforms import build_flows, build_platforms
from bridge.config.build.references import References
from bridge.config.build.retention import build_retention
from bridge.config.build.routes import build_routes
from bridge.config.build.sources import build_sources
from bridge.config.files import ConfigFolder, FileTracker
from bridge.config.includes import read_document
from bridge.config.interpolation import Interpolator
from bridge.config.problems import Path as ProblemPath
from bridge.config.problems import Position, Report
from bridge.config.valid_document import ValidDocument, unpack_document
from bridge.config.yaml_reader import find_traps
from bridge.core.errors import ConfigError, ConfigProblem
from bridge.core.retention import DEFAULT_RETENTION
from bridge.routing.model import Config


def load(
    path: str | Path,
    environ: Mapping[str, str],
    *,
    strict_secrets: bool = True,
    cpus: int | None = None,
) -> Config:
    """Return the configuration in the file `path`, or raise ConfigError with every problem.

    `environ` has the values of `${env:NAME}`. Without `strict_secrets` a missing secret is only a
    warning: its source answers 503, and the deliveries of a platform without a value wait. `cpus`
    (default: of this machine) sets the default cap of local platforms.
    """
    config, problems = check(path, environ, strict_secrets=strict_secrets, cpus=cpus)
    if config is None:
        raise ConfigError([problem for problem in problems if problem.level == "error"])
    return config


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A loaded configuration, null if it cannot be used, and all problems, with warnings.

    `parts` is everything that it was built from, as JSON: the document, the schema files and the
    secrets. `rebuild` builds the same configuration from it. `key` is a digest that differs for
    every other configuration, also after a changed secret.
    """

    config: Config | None
    problems: list[ConfigProblem]
    parts: str = field(default="", repr=False)
    key: str = ""


def check(
    path: str | Path,
    environ: Mapping[str, str],
    *,
    strict_secrets: bool = True,
    cpus: int | None = None,
) -> tuple[Config | None, list[ConfigProblem]]:
    """Return the configuration (None if it cannot be used) and all problems, with warnings."""
    result = read(path, environ, strict_secrets=strict_secrets, cpus=cpus)
    return result.config, result.problems


@dataclass(frozen=True, slots=True)
class CheckedFiles:
    """The configuration, also where only values are missing, and all problems, with warnings.

    A missing value is an error of `problems`. `document` and `places`: the files as written, and
    the position of each path.
    """

    config: Config | None
    problems: list[ConfigProblem]
    document: Mapping[str, Any]
    places: Mapping[ProblemPath, Position]


def check_files(
    path: str | Path,
    environ: Mapping[str, str] | None,
    disk: FileTracker | None = None,
    *,
    strict_secrets: bool = True,
) -> CheckedFiles:
    """Check the configuration strictly, and where that fails, without the missing values.

    The files are read once, through `disk`. `environ` is null where no value is known, so that none
    is missing. Without `strict_secrets`, a missing value is a warning.
    """
    strict = Report(str(path))
    document, folder = read_document(Path(path), strict, disk)
    lenient = strict.copy()
    for report in (strict, lenient):
        is_strict = report is strict and strict_secrets
        filler = Interpolator(environ, folder.path, report, is_strict, folder.disk)
        config, _ = _build(document, folder, filler, report, None)
        if config is not None or not strict_secrets:
            break
    return CheckedFiles(config, strict.sorted(), document, strict.places)


def read(
    path: str | Path,
    environ: Mapping[str, str],
    disk: FileTracker | None = None,
    *,
    strict_secrets: bool = True,
    cpus: int | None = None,
) -> LoadResult:
    """Load the configuration, and read every file through `disk`."""
    disk = disk or FileTracker()
    report = Report(str(path))
    data, folder = read_document(Path(path), report, disk)
    filler = Interpolator(environ, folder.path, report, strict_secrets, disk)
    config, valid = _build(data, folder, filler, report, cpus)
    if config is None or valid is None:
        return LoadResult(None, report.sorted())
    parts = {
        "config": data,
        "schemas": folder.texts,
        "included": folder.included,
        "filled": filler.filled,
        "reasons": filler.reasons,
    }
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return LoadResult(config, report.sorted(), json.dumps(parts | {"valid": valid.pack()}), key)


def rebuild(parts: str, folder: str | Path = ".", *, cpus: int | None = None) -> Config:
    """Build the configuration from `LoadResult.parts`, without reading files.

    No YAML is parsed and nothing is validated again, so the libraries for both are not loaded.
    """
    stored = json.loads(parts)
    report = Report("(stored configuration)")
    config_folder = ConfigFolder(Path(folder), stored["schemas"])
    config_folder.included = stored["included"]
    filler = Interpolator(
        {},
        config_folder.path,
        report,
        strict=False,
        given_values=stored["filled"],
        given_reasons=stored["reasons"],
    )
    valid = unpack_document(stored["valid"])
    config, _ = _build(stored["config"], config_folder, filler, report, cpus, valid)
    if config is None:
        raise ConfigError(report.sorted())
    return config


def load_canonical(
    text: str,
    environ: Mapping[str, str] | None,
    folder: str | Path = ".",
    *,
    strict_secrets: bool = True,
    cpus: int | None = None,
) -> Config:
    """Build the configuration from a stored `Config.canonical`.

    The schema files are the stored ones; the secrets are the present ones. `environ` is null where
    no value is known, so that none is missing.
    """
    document = json.loads(text)
    report = Report("(stored configuration)")
    config_folder = ConfigFolder(Path(folder), document["schemas"])
    config, _ = _build(
        document["config"],
        config_folder,
        Interpolator(environ, config_folder.path, report, strict_secrets),
        report,
        cpus,
    )
    if config is None:
        raise ConfigError(report.sorted())
    return config


def _build(
    data: dict[str, Any],
    folder: ConfigFolder,
    filler: Interpolator,
    report: Report,
    cpus: int | None,
    valid: ValidDocument | None = None,
) -> tuple[Config | None, ValidDocument | None]:
    """Return the configuration, None if it cannot be used, and its valid parts.

    `valid` are these parts, if they are known.
    """
    if () in report.settled:
        return None, None
    report.name_routes(data)
    find_traps(data, report)
    filled = filler.fill(data)
    document = valid or _validate(filled, report)
    schemas = Schemas(folder, report)
    names = {
        key: list(data[key]) if isinstance(data.get(key), dict) else []
        for key in ("platforms", "sources", "flows")
    }
    platforms = build_platforms(document, folder.path, cpus or os.cpu_count() or 1, report)
    flows = build_flows(document, platforms, names["platforms"], report)
    retention = build_retention(document.retention, DEFAULT_RETENTION, ("retention",), report)
    sources = build_sources(document, schemas, retention, report)
    references = References(
        sources,
        names["sources"],
        flows,
        names["flows"],
        platforms,
        names["platforms"],
        {name: source.provider for name, source in document.sources.items()},
    )
    routes, used = build_routes(document.routes, references, schemas, report)
    for name in names["sources"]:
        if name not in used:
            report.add(("sources", name), "no route uses this source", key=True, level="warning")
    if not document.complete and not report.failed:
        report.add((), "cannot be used: required values are missing")
    if report.failed:
        return None, document
    sources = {
        name: replace(source, missing=filler.missing.get(("sources", name)))
        for name, source in sources.items()
    }
    platforms = {
        name: replace(platform, missing=filler.missing.get(("platforms", name)))
        for name, platform in platforms.items()
    }
    canonical = json.dumps(
        {"config": data, "schemas": folder.texts},
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
    files = tuple(dict.fromkeys([*folder.read, *filler.read]))
    config = Config(
        sources=sources,
        routes=routes,
        flows=flows,
        platforms=platforms,
        hash=digest,
        canonical=canonical,
        files=files,
        included=folder.included,
        retention=retention,
    )
    return config, document


def _validate(filled: dict[str, Any], report: Report) -> ValidDocument:
    # its library takes 10 MB, and a process that rebuilds a configuration does not need it
    from bridge.config.validation import validate_document

    return validate_document(filled, report)
