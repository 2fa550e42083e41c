"""The delivery rules of a route: order, debounce, limits, and unknown results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.config.problems import Path, Report
from bridge.core.errors import CompileError
from bridge.core.rate_limits import Limits
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.routing.expressions.compile import Expression, compile_expression
from bridge.routing.model import Debouncing, Ordering, Platform

if TYPE_CHECKING:
    from bridge.config.schema.routes import RouteSchema


class DeliveryRules:
    """Builds the delivery rules of one route, and reports keys that exclude each other."""

    def __init__(self, model: RouteSchema, path: Path, report: Report) -> None:
        self._model = model
        self._path = path
        self._report = report

    def build_ordering(self) -> Ordering | None:
        """Return the rule of `order_by`; null without one."""
        model = self._model
        if model.order_by is None:
            for key in ("order_until", "on_dead"):
                if key in model.model_fields_set:
                    self._note(f"`{key}` needs `order_by`, which is missing", key, at_key=True)
            return None
        if model.debounce is not None:
            self._note(
                "`order_by` cannot be used with `debounce`, which sends only the last event of a"
                " key",
                "order_by",
                at_key=True,
            )
        by = self._expression(model.order_by, "order_by")
        return (
            None
            if by is None
            else Ordering(key=by, until=model.order_until, blocks=model.on_dead == "block")
        )

    def build_debounce(self) -> Debouncing | None:
        """Return the rule of `debounce`; null without one."""
        model = self._model.debounce
        if model is None:
            return None
        if self._model.delay is not None:
            self._note(
                "`delay` cannot be used with `debounce`, which waits already", "delay", at_key=True
            )
        wait = float(model.wait)
        most = 10 * wait if model.max is None else float(model.max)
        if wait > most:
            self._note("`wait` is longer than `max`", "debounce")
        key = None if model.key is None else self._expression(model.key, "debounce", "key")
        return Debouncing(wait=wait, max=most, key=key)

    def build_limits(self) -> Limits:
        """Return the limits of concurrent runs and starts."""
        model = self._model
        return Limits(
            max_concurrent_runs=model.max_concurrent_runs,
            rate=model.rate,
            max_runs_per_day=model.max_runs_per_day,
        )

    def find_on_unknown(self, platform: Platform) -> str:
        """Return `on_unknown` for a platform, and report keys that need runs if it has none."""
        model = self._model
        kind = PLATFORMS[platform.type]
        if not kind.has_runs:
            if model.on_unknown == "reconcile":
                self._note(
                    f"the platform `{platform.name}` ({platform.type}) has no runs to search for;"
                    " allowed: hold, retry",
                    "on_unknown",
                )
            if model.on_run_failed[0] != "ignore":
                self._note(
                    f"the platform `{platform.name}` ({platform.type}) has no runs that could fail",
                    "on_run_failed",
                    at_key=True,
                )
        most = model.max_concurrent_runs
        if most is not None and most > platform.max_concurrent_runs:
            says = (
                f"allows {most} runs at once, but the platform `{platform.name}` allows"
                f" {platform.max_concurrent_runs}"
            )
            self._report.add((*self._path, "max_concurrent_runs"), says, level="warning")
        return model.on_unknown or kind.on_unknown

    def _expression(self, text: str, *path: str) -> Expression | None:
        """Compile an expression, also if it is written as `${…}`."""
        lone = text.strip()
        bare = lone[2:-1] if lone.startswith("${") and lone.endswith("}") else text
        try:
            return compile_expression(bare)
        except CompileError as error:
            self._report.add_all((*self._path, *path), error)
            return None

    def _note(self, problem: str, *path: str, at_key: bool = False) -> None:
        self._report.add((*self._path, *path), problem, key=at_key)
