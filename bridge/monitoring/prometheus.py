"""The exposition of `/metrics`: the counters of this machine's processes and the status.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, Final

from bridge.config.addresses import Address, bracket
from bridge.config.allowed_hosts import find_own_hosts, is_own_host
from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.core.status import Overview
from bridge.core.timings import TIMINGS
from bridge.monitoring import counter_files, counters
from bridge.monitoring.metrics import (
    EVENT_LOOP_METRICS,
    GAUGES,
    LABELS_PER_ROUTE,
    PROCESS_METRICS,
    STORE_UP,
    Metric,
)
from bridge.monitoring.status import read_overview
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.system.logs import get_logger

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric as Family

log = get_logger()

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SCRAPE_TIMEOUT_SECONDS: Final = 5.0


class Exposition:
    """The cached text of the metrics. `look` returns the status, or raises `BridgeError`.

    `cache_seconds`: how long a text is reused. `routes` returns the routes whose counters start at
    0: otherwise no alert rule would see their first increment.
    """

    def __init__(
        self,
        data: Path,
        look: Callable[[], Overview],
        routes: Callable[[], Iterable[str]] = tuple,
        cache_seconds: float = TIMINGS.metrics_cache_seconds,
    ) -> None:
        self._cache_seconds = cache_seconds
        self._data = data
        self._look = look
        self._routes = routes
        self._mutex = threading.Lock()
        self._text = b""
        self._until = 0.0

    def text(self) -> bytes:
        """Return the text. While another thread renders a new one, return the last."""
        if time.monotonic() < self._until or not self._mutex.acquire(blocking=not self._text):
            return self._text
        try:
            if time.monotonic() >= self._until:
                self._text = self._render()
                self._until = time.monotonic() + self._cache_seconds
            return self._text
        finally:
            self._mutex.release()

    def _render(self) -> bytes:
        from prometheus_client import (
            CollectorRegistry,
            generate_latest,
        )  # imported with the first scrape

        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Family]:
        """Yield every metric; only the counters and `store_up` if the store does not answer."""
        counts = counter_files.sum_counters(self._data)
        routes = list(self._routes())
        for metric in PROCESS_METRICS:
            if metric in EVENT_LOOP_METRICS and not any(counts.span(metric)):
                continue
            yield _counted(
                metric,
                counts,
                [
                    (route, *rest)
                    for route in routes
                    for rest in LABELS_PER_ROUTE.get(metric.name, ())
                ],
            )
        now = None
        try:
            now = self._look()
        except BridgeError as error:
            log.warning("metrics_incomplete", error=str(error))
        yield _family(STORE_UP, [((), float(now is not None))])
        for metric in GAUGES if now is not None else ():
            if metric.of is not None and now is not None:
                yield _family(metric, metric.of(now))


def make_exposition(
    settings: Settings, database: Database, config: Callable[[], Config]
) -> Exposition:
    """Return the exposition of a process that has a configuration and a store."""
    return Exposition(
        settings.data,
        lambda: read_overview(settings, database, config(), usual=False),
        lambda: (route.name for route in config().routes),
        settings.timings.metrics_cache_seconds,
    )


def _family(metric: Metric, values: Any) -> Family:
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _counted(
    metric: Metric, counts: counters.Counts, from_the_start: Iterable[counters.Series]
) -> Family:
    if metric.kind == "counter":
        return _family(
            metric,
            sorted((dict.fromkeys(from_the_start, 0.0) | dict(counts.numbers(metric))).items()),
        )
    from prometheus_client.metrics_core import HistogramMetricFamily

    family = HistogramMetricFamily(metric.name, metric.help)
    *buckets, total = counts.span(metric)
    bounds = [*map(str, counters.BUCKET_SECONDS), "+Inf"]
    family.add_metric(
        [], [(bound, sum(buckets[: place + 1])) for place, bound in enumerate(bounds)], total
    )
    return family


# -- the server of processes without a receiver


def serve_metrics(settings: Settings, database: Database, config: Callable[[], Config]) -> None:
    """Serve the metrics at `FLOWBRIDGE_METRICS_BIND`, if that is set, in a thread.

    Of the processes of a machine with the same address, one serves it for all; another takes over
    when it ends.
    """
    if settings.metrics_bind is not None:
        exposition = make_exposition(settings, database, config)
        hosts = find_own_hosts(settings, settings.metrics_bind)
        arguments = (
            settings.metrics_bind,
            hosts,
            exposition,
            settings.timings.metrics_bind_retry_seconds,
        )
        threading.Thread(target=_serve, args=arguments, name="metrics", daemon=True).start()


def _serve(address: Address, hosts: frozenset[str], exposition: Exposition, retry: float) -> None:
    class Handler(BaseHTTPRequestHandler):
        timeout = SCRAPE_TIMEOUT_SECONDS
        server_version = "flowbridge"
        sys_version = ""

        def do_GET(self) -> None:
            """Answer `/metrics` only."""
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            if not is_own_host(self.headers.get("Host", ""), hosts):
                self.send_error(421)
                return
            text = exposition.text()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Log nothing for a scrape."""

    said = ""
    while True:
        try:
            with _server(address, Handler) as server:
                log.info(
                    "metrics_served", address=f"{bracket(address[0])}:{server.server_address[1]}"
                )
                server.serve_forever()
        except OSError as error:
            if said != (said := str(error.strerror)):
                log.warning(
                    "metrics_not_served", address=f"{bracket(address[0])}:{address[1]}", error=said
                )
        time.sleep(retry)


def _server(address: Address, handler: type[BaseHTTPRequestHandler]) -> TCPServer:
    class Server(TCPServer):  # HTTPServer would resolve the name of the address
        address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        allow_reuse_address = True

        def handle_error(self, *_: Any) -> None:
            """Log a client that disconnected at DEBUG."""
            log.debug("metrics_client_disconnected", exc_info=True)

    return Server(address, handler)
