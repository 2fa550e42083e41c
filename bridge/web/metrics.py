"""`/metrics` of the private listener, for Prometheus."""

from __future__ import annotations

from flask import Blueprint, Response

from bridge.monitoring.prometheus import CONTENT_TYPE, Exposition


def metrics_page(exposition: Exposition) -> Blueprint:
    """Return the page."""
    pages = Blueprint("metrics", __name__)

    @pages.get("/metrics")
    def metrics() -> Response:
        return Response(exposition.text(), content_type=CONTENT_TYPE)

    return pages
