"""The export of traces, if the environment asks for it and the extra `otel` is installed.

The variables are OpenTelemetry's own:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. Without them
nothing is imported. An export never fails or delays anything else: what cannot be exported is lost.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from bridge.config.settings import add_to_environ
from bridge.monitoring.spans import Span
from bridge.monitoring.trace_ids import Trace
from bridge.system.logs import get_logger

log = get_logger()

VARIABLE_PREFIX: Final = "OTEL_"
ENDPOINT_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOL_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SUPPORTED_PROTOCOL: Final = "http/protobuf"


class Tracer(Protocol):
    """The exporter of the spans of this process. Thread-safe."""

    def header(self, trace: Trace, span_id: str) -> str:
        """Return the `traceparent` that names a span of a trace."""

    def export(self, spans: Callable[[], Iterable[Span]]) -> None:
        """Queue spans for export. It raises nothing, even if creating them fails."""

    def close(self) -> None:
        """Export the queued spans, within a second."""


_begun: dict[int, Tracer] = {}  # by process id: a forked process has the parent's entry too


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether an environment asks for traces: it names a collector or the exporter."""
    exporters = {
        exporter.strip()
        for exporter in environ.get("OTEL_TRACES_EXPORTER", "").split(",")
        if exporter.strip()
    }
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or (
        exporters and "otlp" not in exporters
    ):
        return False
    return bool(exporters) or any(environ.get(name) for name in ENDPOINT_VARIABLES)


def import_exporter(environ: Mapping[str, str]) -> None:
    """Import the exporter, so that all processes share it, and warn if traces cannot be exported.

    Call it before the fork.
    """
    if is_wanted(environ) and (why := _missing(environ)):
        log.warning("tracing_unavailable", why=why)


def start_tracer(environ: Mapping[str, str]) -> None:
    """Start the export, if it is wanted and possible. Call it after the fork."""
    if os.getpid() in _begun or not is_wanted(environ) or _missing(environ):
        return
    from bridge.monitoring.tracing.otlp import OtlpTracer

    # those of .env apply too
    add_to_environ(
        {name: value for name, value in environ.items() if name.startswith(VARIABLE_PREFIX)}
    )
    try:
        _begun[os.getpid()] = OtlpTracer()
    except Exception as fault:  # a value that OpenTelemetry cannot use; its text may hold a secret
        log.error(
            "tracing_unavailable", why=f"OpenTelemetry could not start: {type(fault).__name__}"
        )
        return
    atexit.register(stop_tracer)


def current_tracer() -> Tracer | None:
    """Return the tracer of this process, None where nothing is exported."""
    return _begun.get(os.getpid())


def stop_tracer() -> None:
    """Export the queued spans, before the process ends."""
    if tracer := _begun.pop(os.getpid(), None):
        tracer.close()


def _missing(environ: Mapping[str, str]) -> str | None:
    """Return why traces that are wanted cannot be exported."""
    protocol = next(
        (environ[name] for name in PROTOCOL_VARIABLES if environ.get(name)), SUPPORTED_PROTOCOL
    )
    if protocol != SUPPORTED_PROTOCOL:
        return f"OTEL_EXPORTER_OTLP_PROTOCOL: only {SUPPORTED_PROTOCOL} is supported"
    try:
        import bridge.monitoring.tracing.otlp  # noqa: F401 - a test whether it is installed
    except ModuleNotFoundError:
        return (
            "the environment asks for traces, but the extra is not installed: pip install"
            " 'flowbridge[otel]'"
        )
    return None
