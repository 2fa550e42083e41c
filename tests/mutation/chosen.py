"""A pytest plugin that runs chosen tests in a chosen order, and one that notes which tests execute
which lines.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

# fixtures of conftest.py
POSTGRES = {"postgres", "postgresql", "postgres_database", "empty_postgres", "migrated_postgres"}


def _uses_postgres(item: pytest.Item) -> bool:
    """Tell whether a test needs a PostgreSQL server. Most have a twin that does the same with
    SQLite.
    """
    return (
        bool(set(getattr(item, "fixturenames", ())) & POSTGRES)
        or "postgresql" in item.nodeid.partition("[")[2]
    )


class Chosen:
    """Keeps the tests of a request (all where it names none), and writes down the first that fails,
    or what was traced.
    """

    def __init__(self, request: dict[str, Any], report: Path) -> None:
        self._tests = {name: place for place, name in enumerate(request["tests"])}
        self._report = report
        self._failed: str | None = None
        self._why = ""
        self._seconds: dict[str, float] = {}
        self._outcomes: dict[str, str] = {}
        self._postgres: set[str] = set()
        self._coverage: Any = None
        if trace := request.get("trace"):
            import coverage

            self._coverage = coverage.Coverage(
                data_file=None, include=trace, config_file=False, messages=False
            )

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Keep the chosen tests, in their order."""
        if self._tests:
            keep = [item for item in items if item.nodeid in self._tests]
            items[:] = sorted(keep, key=lambda item: self._tests[item.nodeid])
        if self._coverage is not None:
            self._postgres = {item.nodeid for item in items if _uses_postgres(item)}
            items[:] = [item for item in items if item.nodeid not in self._postgres]

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        """Trace the lines of a module that are executed when it is imported, too."""
        if self._coverage is not None:
            self._coverage.start()
            self._coverage.switch_context("import")
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note how long the test takes, and what it executes."""
        self._report.with_name("started").write_text(item.nodeid)
        if self._coverage is not None:
            self._coverage.switch_context(item.nodeid)
        began = time.monotonic()
        try:
            return (yield)
        finally:
            self._seconds[item.nodeid] = round(time.monotonic() - began, 3)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the first failure, at once: what follows may never end."""
        worst = self._outcomes.get(report.nodeid, "passed")
        self._outcomes[report.nodeid] = (
            worst if worst == "failed" else report.outcome if report.outcome != "passed" else worst
        )
        if report.failed and self._failed is None:
            self._failed = report.nodeid
            self._why = str(report.longrepr)[-600:]
            self._write("noticed")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a test file that cannot even be imported."""
        if report.failed and self._failed is None:
            self._failed = report.nodeid
            self._why = str(report.longrepr)[-600:]
            self._write("noticed")

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write down what there is."""
        if self._coverage is not None:
            self._coverage.stop()
        self._write(
            (
                "noticed"
                if self._failed is not None
                else "passed"
                if exitstatus in {0, 5}
                else "error"
            ),
            at_end=True,
        )

    def _write(self, result: str, *, at_end: bool = False) -> None:
        said: dict[str, Any] = {
            "result": result,
            "failed": self._failed,
            "why": self._why,
            "tests": len(self._outcomes),
        }
        if self._coverage is not None and at_end:
            said |= {
                "seconds_of": self._seconds,
                "outcomes": self._outcomes,
                "postgres": sorted(self._postgres),
                "lines": self._lines(),
            }
        draft = self._report.with_suffix(".draft")
        draft.write_text(json.dumps(said))
        draft.rename(self._report)

    def _lines(self) -> dict[str, dict[str, list[str]]]:
        """Return by file and line the tests that execute it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that none of the files was executed
            data = self._coverage.get_data()
        return {
            file: {
                str(line): sorted(set(tests) - {""})
                for line, tests in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
