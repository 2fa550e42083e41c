"""`/metrics`: what a real bridge tells, on both databases, split up, and after its processes were
killed.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from metric_samples import Samples, parsed
from overviews import everything
from serving import Bridge, exchange, free_port, github, head, until

from bridge.core.errors import StoreError
from bridge.core.status import (
    Overview,
)
from bridge.monitoring.counter_files import CountsFile
from bridge.monitoring.counters import BUCKET_SECONDS, Counts
from bridge.monitoring.metrics import (
    ACK,
    EVENT_LOOP_METRICS,
    EVENTS,
    GAUGES,
    METRICS,
    OTHER,
    STORE_UP,
)
from bridge.monitoring.presence import list_bridges
from bridge.monitoring.prometheus import CONTENT_TYPE, Exposition
from bridge.store.db.database import Database
from bridge.system.cpu_affinity import count_processors

SECRET_KEY = "k" * 40


def scrape(port: int) -> Samples:
    answer = exchange(port, head("GET", "/metrics", {"Connection": "close"}))
    assert (answer.status, answer.headers["content-type"]) == (200, CONTENT_TYPE)
    return parsed(answer.body.decode())


def counts(port: int, *names: str) -> Samples:
    return {key: value for key, value in scrape(port).items() if key[0] in names}


def environ_of(database: Database) -> dict[str, str]:
    if database.is_sqlite:
        return {}
    url = database.url.render_as_string(hide_password=False)
    return {"FLOWBRIDGE_DATABASE_URL": url, "FLOWBRIDGE_SECRET_KEY": SECRET_KEY}


def total(port: int, name: str, *labels: str) -> Callable[[], float]:
    return lambda: scrape(port).get((name, labels), 0.0)


# -- real bridges


@pytest.mark.usefixtures("new_processes")
def test_serve_tells_all_of_it_and_goes_on_where_its_processes_are_killed(
    database: Database, tmp_path: Path
) -> None:
    with Bridge(
        tmp_path, environ=environ_of(database), timings={"metrics_cache_seconds": 0.0}
    ) as bridge:
        accepted = total(bridge.port, "flowbridge_events_total", "github", "accepted")
        for number in range(3):
            assert bridge.event(delivery=f"one-{number}").status == 202
        assert bridge.event(delivery="one-0").status in (200, 202)
        assert bridge.post("/hooks/github", b"{}", github(b"[]")).status == 401
        assert bridge.post("/hooks/nobody", b"{}").status == 404
        until(
            lambda: (
                scrape(bridge.port).get(("flowbridge_runs_ended_total", ("everything", "done")), 0)
                >= 3
            ),
            what="the runs",
        )
        assert scrape(bridge.port)["flowbridge_runs_ended_total", ("everything", "failed")] == 0, (
            "so that a rule sees the first"
        )
        until(
            lambda: (
                accepted() + total(bridge.port, "flowbridge_events_total", "github", "duplicate")()
                == 4
            ),
            what="the events",
        )
        counted: Samples = {
            ("flowbridge_ack_seconds_count", ()): 4,
            ("flowbridge_verification_failures_total", ("github", "mismatch")): 1,
            ("flowbridge_requests_refused_total", ("github", "401")): 1,
            ("flowbridge_requests_refused_total", (OTHER, "404")): 1,
            ("flowbridge_processes", ("work",)): 1,
            ("flowbridge_processes", ("web",)): min(2, count_processors()),
        }
        found = until(
            lambda: counted.items() <= (one := scrape(bridge.port)).items() and one,
            what="what receivers counted",
        )
        assert found["flowbridge_attempts_total", ("local", "started")] >= 3
        assert found["flowbridge_config_ok", ()] == found["flowbridge_store_up", ()] == 1
        assert found["flowbridge_circuit_state", ("local", "closed")] == 1
        assert (
            abs(found["flowbridge_source_last_event_timestamp_seconds", ("github",)] - time.time())
            < 60
        )
        assert found["flowbridge_database_bytes", ()] > 10_000
        assert found["flowbridge_platform_slots", ("local",)] > 0
        conventions(bridge.get("/metrics").body.decode())
        assert bridge.get("/metrics", {"X-Forwarded-For": "203.0.113.1"}).status == 404
        for pid in json_processes(bridge):
            os.kill(pid, signal.SIGKILL)
        after = until(lambda: comes_back(bridge), what="others in their place")
        for key, value in found.items():
            if key[0].endswith(("_total", "_bucket", "_count", "_sum")):
                assert after[key] >= value, key
        assert bridge.event().status == 202
        until(
            lambda: accepted() == found["flowbridge_events_total", ("github", "accepted")] + 1,
            what="one more",
        )


def json_processes(bridge: Bridge) -> list[int]:
    """The receivers and the workers of a bridge."""
    (running,) = list_bridges(bridge.folder / "data")
    return [one["pid"] for one in running["processes"] if one["role"] in ("web", "work")]


def comes_back(bridge: Bridge) -> Samples | None:
    try:
        return scrape(bridge.port) if bridge.get("/readyz").status == 200 else None
    except OSError:
        return None


@pytest.mark.usefixtures("new_processes")
def test_it_is_of_the_private_face(tmp_path: Path) -> None:
    private = free_port()
    with Bridge(tmp_path, environ={"FLOWBRIDGE_PRIVATE_BIND": f"127.0.0.1:{private}"}) as bridge:
        assert bridge.get("/metrics").status == 404
        assert bridge.get("/metrics", port=private).status == 200


@pytest.mark.usefixtures("new_processes")
def test_receivers_and_workers_apart(postgresql: Database, tmp_path: Path) -> None:
    """Two workers of another machine, with a data folder of their own, and one address: either
    tells for both.
    """
    port = free_port()
    environ = environ_of(postgresql)
    folders = [tmp_path / name for name in ("web", "work")]
    for folder in folders:
        folder.mkdir()
    told = {**environ, "FLOWBRIDGE_METRICS_BIND": f"127.0.0.1:{port}"}
    quick = {"metrics_cache_seconds": 0.0, "metrics_bind_retry_seconds": 0.1}
    web = Bridge(folders[0], "web", environ=environ, timings=quick)
    workers = [
        Bridge(folders[1], "work", environ=told, timings=quick, port=web.port) for _ in range(2)
    ]
    with web, workers[0], workers[1]:
        for _ in range(4):
            assert web.event().status == 202
        until(
            lambda: answers(port) and scrape(port).get(("flowbridge_processes", ("work",))) == 2,
            what="both workers",
        )
        attempts = lambda: sum(counts(port, "flowbridge_attempts_total").values())  # noqa: E731
        made = until(lambda: (one := attempts()) >= 4 and one, what="their calls")
        until(lambda: scrape(web.port)["flowbridge_ack_seconds_count", ()] == 4, what="its answers")
        for path in ("/", "/healthz", "/hooks/github", "/metrics/x"):
            assert exchange(port, head("GET", path)).status == 404
        assert exchange(port, head("POST", "/metrics")).status == 501
        assert exchange(port, head("GET", "/metrics", {"Host": "evil.example.com"})).status == 421
        workers[0].kill()
        until(lambda: answers(port), what="the other worker")
        assert attempts() >= made, "what was told once is not lost by kill -9"
        workers[1].kill()
        assert not answers(port)


def answers(port: int) -> bool:
    try:
        return exchange(port, head("GET", "/metrics")).status == 200
    except OSError:
        return False


def conventions(text: str) -> None:
    """Of https://prometheus.io/docs/practices/naming/: and each row is there, with its help and its
    type.
    """
    kinds = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
    helps = {
        line.split()[2]
        for line in text.splitlines()
        if line.startswith("# HELP ") and len(line.split()) > 4
    }
    optional = {
        "flowbridge_database_clock_ahead_seconds",
        *(metric.name for metric in EVENT_LOOP_METRICS),
    }
    assert kinds.keys() - {metric.name for metric in METRICS} == set()
    assert {
        metric.name: metric.kind for metric in METRICS if metric.name not in optional
    }.items() <= kinds.items()
    assert set(kinds) == helps
    for name, kind in kinds.items():
        assert (kind == "counter") == name.endswith("_total"), name


# -- what is derived


def test_gauges_say_what_an_overview_says(tmp_path: Path) -> None:
    text = Exposition(tmp_path, everything).text().decode()
    conventions(text)
    found = parsed(text)
    gauges = {
        key: value for key, value in found.items() if key[0] in {metric.name for metric in GAUGES}
    }
    said = {
        (name.removeprefix("flowbridge_"), *labels): value
        for (name, labels), value in gauges.items()
    }
    assert {key: said[key] for key in said if key[0].startswith("queue")} == {
        ("queue_deliveries", "live", "p"): 3,
        ("queue_deliveries", "later", "p"): 1,
        ("queue_deliveries", "paused", "p"): 1,
        ("queue_oldest_age_seconds", "live", "p"): 100,
        ("queue_oldest_age_seconds", "later", "p"): 10,
        ("queue_oldest_age_seconds", "paused", "p"): 10,
        ("queue_late_seconds", "live", "p"): 40,
        ("queue_late_seconds", "later", "p"): 0,
        ("queue_late_seconds", "paused", "p"): 0,
    }
    assert [said["processes", role] for role in ("web", "work", "reload", "celery")] == [2, 0, 0, 1]
    assert [said["circuit_state", "p", state] for state in ("closed", "open", "half_open")] == [
        0,
        1,
        0,
    ]
    assert said["circuit_state", "gone", "closed"] == 1
    assert [said[f"platform_{what}", "p"] for what in ("calls", "runs", "slots")] == [1, 2, 5]
    assert ("platform_slots", "gone") not in said
    assert (said["backup_newest_timestamp_seconds",], said["backup_missed",]) == (
        1_764_000_000.0 - 121,
        1,
    )
    assert [said[key,] for key in ("config_ok", "config_restart_needed", "starts_held_back")] == [
        0,
        1,
        1,
    ]
    assert [said[f"deliveries_{what}",] for what in ("dead", "dead_day", "unknown", "held")] == [
        7,
        2,
        3,
        1,
    ]
    assert {key[1] for key in said if key[0].startswith("source")} == {"github"}
    assert said["database_clock_ahead_seconds",] == -0.5


def test_a_histogram_is_one(tmp_path: Path) -> None:
    mine = Counts()
    for seconds in (0.0001, 0.003, 0.003, 0.7, 99.0):
        mine.observe(ACK, seconds)
    CountsFile(tmp_path, mine).write()
    found = parsed(Exposition(tmp_path, everything).text().decode())
    buckets = {
        key[1][0]: value
        for key, value in found.items()
        if key[0] == "flowbridge_ack_seconds_bucket"
    }
    assert list(buckets) == [*map(str, BUCKET_SECONDS), "+Inf"]
    assert all(one <= next_one for one, next_one in pairwise(buckets.values()))
    assert (buckets["0.001"], buckets["0.005"], buckets["5.0"], buckets["+Inf"]) == (1, 3, 4, 5)
    assert found["flowbridge_ack_seconds_count", ()] == 5
    assert found["flowbridge_ack_seconds_sum", ()] == pytest.approx(99.7061)


def test_the_histograms_of_event_loops_are_there_once_one_has_run(tmp_path: Path) -> None:
    names = {f"{metric.name}_count" for metric in EVENT_LOOP_METRICS}
    exposition = Exposition(tmp_path, everything, cache_seconds=0.0)
    assert not names & {key[0] for key in parsed(exposition.text().decode())}
    mine = Counts()
    for metric in EVENT_LOOP_METRICS:
        mine.observe(metric, 0.003)
    CountsFile(tmp_path, mine).write()
    found = parsed(exposition.text().decode())
    assert {found[name, ()] for name in names} == {1}


def test_where_the_store_does_not_answer_the_counts_are_told_all_the_same(tmp_path: Path) -> None:
    mine = Counts()
    mine.add(EVENTS, 'a "name"\\', "accepted")
    CountsFile(tmp_path, mine).write()

    def away() -> Overview:
        raise StoreError("it is away")

    found = parsed(Exposition(tmp_path, away).text().decode())
    assert found["flowbridge_events_total", ('a "name"\\', "accepted")] == 1
    assert found[STORE_UP.name, ()] == 0
    assert not {name for name, _ in found} & {metric.name for metric in GAUGES}


def test_a_storm_of_scrapes_asks_the_store_once(tmp_path: Path) -> None:
    looks = []

    def look() -> Overview:
        looks.append(1)
        time.sleep(0.05)
        return everything()

    exposition = Exposition(tmp_path, look, cache_seconds=600.0)  # however long it rages
    with ThreadPoolExecutor(20) as pool:
        assert len({*pool.map(lambda _: exposition.text(), range(200))}) == 1
    assert len(looks) == 1


def test_rows_are_as_prometheus_wants_them() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"flowbridge_[a-z]+(_[a-z]+)*", metric.name)
        assert metric.help.endswith(".")
        assert (metric.of is not None) == (metric in GAUGES)
        if metric.kind == "counter":
            assert metric.name.endswith("_total")
        assert not set(metric.labels) & {"le", "quantile", "instance", "job"}
