"""What the store of the combination has: sent to its bridge, done by people, and stored."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from forms import MULTIPART, PDF, PNG, URLENCODED, multipart, part
from records import make_delivery, make_event, put
from serving import Bridge, until
from sqlalchemy import delete, insert

from bridge.core.alert import Alert
from bridge.core.http_messages import Request
from bridge.core.model import RunState, Status
from bridge.core.trends import TRENDS, TrendKind, step_of
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.operations import trend_rows
from bridge.store.queries import alerts
from bridge.store.tables import schema

if TYPE_CHECKING:
    from combination import Combination

ODD_NAME = "a b/c?d#ü%2F+&=..'\"\\<é>"
LONG_SOURCE = "s23456789012345678901234567890123456789012345678901234567890123"
#: Routes whose deliveries stay in the queue.
WAITING_ROUTES = ("paused", "debounced", "delayed", "ordered")
UNFINISHED = (
    "(status IN ('queued', 'sending') AND route NOT IN"
    f" ({', '.join(map(repr, WAITING_ROUTES))}))"
    " OR (route = 'ordered' AND status IN ('queued', 'sending'))"
    " OR (status = 'delivered' AND run_state IN ('queued', 'running'))"
)


def send_all(combination: Combination) -> None:
    """Send every kind of request, and wait until the platforms have answered each."""
    bridge = combination.bridge
    send = combination.send
    issue = send("github", "issues", headers={"x-private": "a secret"}, query_string="private=1")
    combination.post(issue)  # a duplicate
    settle(bridge)
    pushed = {"ref": "refs/heads/main", "repository": {"name": "watering"}}
    headers = {"x-github-event": "push"}
    send("github", headers=headers, body=json.dumps(pushed).encode())
    send("github", "ping")
    odd_issue = {
        "action": "opened",
        "issue": {"number": 7, "title": ODD_NAME, "labels": [{"name": ODD_NAME}], "user": {}},
        "repository": {"name": ODD_NAME},
        "sender": {"login": "ann"},
        ODD_NAME: {"a.b": [[], {}, None, [{"c": [1, 2.5, 10**20, True, ""]}]]},
    }
    send("github", "issues", body=json.dumps(odd_issue).encode())
    send("stripe")
    combination.post(replace(issue, body=b'{"action": "opened"}'), 401)
    combination.post(replace(issue, headers={"content-type": "text/plain"}, body=b"\xff"), 401)
    json_type = {"content-type": "application/json"}
    for number, name in enumerate((ODD_NAME.encode().decode("latin-1"), "n" * 200)):
        odd = {"id": f"{name} {number}", "nested": [[[{"deep": [{"er": [None, {}]}]}]]]}
        headers = {**json_type, "x-event": name}
        send("Odd_Name-1", headers=headers, body=json.dumps(odd).encode())
    batch = {"events": [{"kind": "a/b c", "id": f"{ODD_NAME}{number}"} for number in range(3)]}
    send(LONG_SOURCE, headers=json_type, body=json.dumps(batch).encode())
    send("listed", headers=json_type, body=b'{"not": "json"')
    send("tokened", headers=json_type, body=b'"a text"')
    plain = Request(
        method="POST",
        path="/hooks/open",
        headers=json_type,
        body=b"[1, {}]",
        query_string="type=odd%20type%2F%3F",
        url="",
    )
    combination.post(plain)
    send_forms(combination)
    settle(bridge)


def send_forms(combination: Combination) -> None:
    """Send submissions: with files, as spam, incomplete."""
    own_page = {"Origin": "https://example.com", "Accept": "text/html"}
    forms = (
        (
            "contact",
            MULTIPART,
            303,
            multipart(
                part("Ihr Name?", "Ännchen".encode()),
                part("message", b"Hello,\nthere"),
                part("a[b]", b"nested"),
                part("secret word", b"sesame"),
                part("photo", PNG, "a b/ü?#.png", "image/png"),
                part("cv", PDF, "cv.pdf", "application/pdf"),
            ),
        ),
        (
            "contact",
            MULTIPART,
            303,
            multipart(
                part("message", b"a casino"),
                part("photo", PNG, "photo.png", "image/png"),
            ),
        ),
        ("contact", URLENCODED, 422, b"message=no+photo"),
        ("job", URLENCODED, 200, b"name=Ann&age=30&email=gone%40example.com"),
        ("poll", URLENCODED, 200, b"answer=yes"),
        ("poll", URLENCODED, 303, b"answer=perhaps"),
        ("upload", URLENCODED, 200, b"name=Bob&cf-turnstile-response=x"),
    )
    for source, kind, status, body in forms:
        headers = {"Content-Type": kind, **own_page}
        path = f"/hooks/{source}"
        request = Request(
            method="POST", path=path, headers=headers, query_string="", body=body, url=""
        )
        combination.post(request, status)


def plain_request(source: str, body: bytes) -> Request:
    """Return a request that is not signed."""
    path = f"/hooks/{source}"
    return Request(method="POST", path=path, headers={}, query_string="", body=body, url="")


def settle(bridge: Bridge) -> None:
    """Wait until no delivery is on its way."""
    until(lambda: bridge.count("delivery", UNFINISHED) == 0, what="the end of all deliveries")


def act(combination: Combination) -> None:
    """Run what people do: operations, tokens, a secret that is learned, runs by hand."""
    call = combination.call
    one_of = {
        f"{row['route']} {row['status']}": row["id"] for row in combination.read("deliveries")
    }
    event_of = {row["source"]: row["id"] for row in combination.read("events")}
    rejects = [row["id"] for row in combination.read("rejects")]
    dead = one_of["contact-linked dead"]
    for arguments in (
        ("token", "add", "reader", "--scope", "read,bodies", "--expires", "90d"),
        ("token", "add", "removed", "--scope", "act"),
        ("token", "remove", "removed", "--yes"),
        ("retry", dead, one_of["strict dead"], one_of["triage delivered"], "--yes"),
        ("cancel", one_of["paused queued"], "--yes"),
        ("replay", event_of["stripe"], "--through", "delayed", "--yes"),
        ("spam", "release", event_of["upload"], "--yes"),
        ("rejects", "readmit", *rejects, "--yes"),
        ("erase", "gone@example.com", "--yes"),
        ("flows", "run", "local/greet", "--input", "name=x", "--wait"),
        ("flows", "run", "triage", "--input", "title=x", "--wait"),
        ("export", "--source", "contact"),
    ):
        done = call(*arguments)
        assert done.returncode in (0, 1), (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stdout + done.stderr, arguments
    learn(combination)
    secret = {"x-hook-secret": "a-secret-of-asana-0123456789abcdef"}
    combination.post(
        Request(
            method="POST", path="/hooks/asana", headers=secret, query_string="", body=b"{}", url=""
        )
    )
    settle(combination.bridge)
    learn(combination)


def learn(combination: Combination) -> None:
    """Let the source asana receive its secret."""
    path = "/admin/v1/sources/asana/learn"
    status, _, body = combination.open_api().get(path, "POST", {"seconds": 3600})
    assert status == 200, body


def propose(combination: Combination) -> tuple[str, str]:
    """Propose an operation and begin a trial; return the ids of both, once nothing changes."""
    api = combination.open_api()
    proposal = {"command": "cancel", "filters": {"route": "paused"}, "mode": "propose"}
    status, _, body = api.get("/admin/v1/operations", "POST", proposal)
    assert status == 201, body
    operation = str(json.loads(body)["id"])
    names = ("more/forms.yaml", "schemas/issue.json", "schemas/job.json", "schemas/title.json")
    files = {
        name: (combination.folder / name).read_text()
        for name in (*names, "words.txt", "thanks.html")
    }
    trial = {"text": combination.bridge.config.read_text(), "files": files, "explain": True}
    status, _, body = api.get("/admin/v1/trials", "POST", trial)
    assert status == 202, body
    trial_id = str(json.loads(body)["id"])
    shown = partial(api.get, f"/admin/v1/trials/{trial_id}")
    until(lambda: json.loads(shown()[2]).get("finished_at"), what="the end of the trial")
    conditions = partial(api.get, "/admin/v1/conditions")  # a start takes 5 s to be over
    until(lambda: b'"no_worker"' in conditions()[2], what="the report of a missing worker")
    return operation, trial_id


def add_rare_records(combination: Combination) -> None:
    """Store what a bridge would take long to reach: states of deliveries, alerts, trends."""
    database = combination.database
    config_hash = combination.config.hash
    now = time.time()
    last = make_event(
        "a-sender/s id", now=now, type=ODD_NAME, config_hash=config_hash, sender_retry=3,
        same_body_as=combination.read("events")[0]["id"], client="203.0.113.0/24", problem=ODD_NAME,
    )  # fmt: skip
    made = [
        make_delivery(last, f"in-{status}", status=status, now=now, reason=ODD_NAME)
        for status in (Status.SENDING, Status.CANCELLED, Status.UNKNOWN)
    ]
    made += [make_delivery(last, f"run-{state}", now=now) for state in RunState]
    events.add(database, last, made, lambda *_: [])
    for state in RunState:
        put(
            database,
            next(one.id for one in made if one.route == f"run-{state}"),
            status="delivered",
            attempts=2,
            throttled=1,
            reruns=1,
            run_id=f"run of {state}",
            run_url=f"https://example.com/{state}",
            run_state=state.value,
            raw_state=state.value.upper(),
            outputs=json.dumps({ODD_NAME: [1, None]}),
            log=json.dumps([ODD_NAME]),
            delivered_at=now,
            finished_at=now if state in (RunState.DONE, RunState.FAILED) else None,
        )
    unknown = next(one.id for one in made if one.status is Status.UNKNOWN)
    sending = next(one.id for one in made if one.status is Status.SENDING)
    put(database, sending, lease="a", lease_until=now - 30, slot=True)
    put(database, unknown, evidence=json.dumps(make_evidence(now)), attempts=1)
    with database.engine.begin() as connection:
        connection.execute(insert(schema.attempt), make_attempts(unknown, now))
        connection.execute(delete(schema.circuit))
        connection.execute(insert(schema.circuit), make_circuits(now))
        connection.execute(delete(schema.worker))  # one that has ended would be seen for a minute
        connection.execute(
            insert(schema.worker),
            [{"id": "a", "host": "a-host", "pid": 7, "started_at": now - 90, "seen_at": now - 60}],
        )
        connection.execute(
            insert(schema.refused_submission),
            [{"source": "job", "hour": int(now // 3600), "code": "too_large", "count": 3}],
        )
    database.write(lambda connection: alerts.replace(connection, make_alerts(now)))
    add_trends(database, step_of(now) - 600)


def make_evidence(now: float) -> dict[str, Any]:
    """Return what a search for a run has found."""
    run = {"run_id": "run of search", "state": "done", "created_at": now, "echo": "delivery"}
    return {
        "attempt": 1,
        "looks": 2,
        "looked_at": now,
        "since": now - 60,
        "until": now,
        "listed": 3,
        "covers": True,
        "candidates": [run],
        "decided": "hold",
        "why": ODD_NAME,
    }


def make_attempts(delivery_id: str, now: float) -> list[dict[str, Any]]:
    """Return the rows of two attempts, the last of which was answered late."""
    return [
        {
            "delivery_id": delivery_id,
            "number": number,
            "started_at": now - 10 * number,
            "finished_at": now - 10 * number + 0.0125,
            "outcome": "unknown",
            "status_code": 503,
            "detail": ODD_NAME,
            "run_id": f"run of attempt {number}",
            "run_state": "failed",
            "run_finished_at": now,
            "outputs": json.dumps([ODD_NAME]),
            "log": json.dumps([ODD_NAME]),
            "late_at": now,
        }
        for number in (1, 2)
    ]


def make_circuits(now: float) -> list[dict[str, Any]]:
    """Return the rows of an open circuit, and of a platform that is full."""
    closed = {
        "failures": 0,
        "open_for": 0.0,
        "open_until": None,
        "probe_until": None,
        "allowance": 2,
        "raise_at": now + 3600,  # too far ahead, however long a test takes
        "raise_for": 10.0,
        "not_before": now + 3600,
        "retry_after": 3600.0,
        "reason": None,
        "changed_at": now,
    }
    opened = {"failures": 5, "open_for": 3600.0, "open_until": now + 3600, "reason": "HTTP 401"}
    return [
        {**closed, "platform": "gumloop"},
        {**closed, **opened, "platform": "lost", "allowance": None},
    ]


def make_alerts(now: float) -> list[Alert]:
    """Return an alert of each state."""
    pending = Alert(
        key="silence:github",
        severity="warning",
        what="no event of github",
        do="flowbridge doctor",
        since=now - 600,
        seen_at=now,
    )
    raised = replace(pending, key="dead:contact-linked", raised_at=now - 60, told_at=now, told=2)
    return [pending, raised, replace(raised, key="disk", resolved_at=now)]


def add_trends(database: Database, minute: int) -> None:
    """Store a minute of each trend."""
    counted, highest = {}, {}
    for trend in TRENDS.values():
        key = tuple("github" if label == "source" else f"a {label}" for label in trend.labels)
        if trend.kind is TrendKind.HIGHEST:
            highest[trend.name] = {key: 7.0}
        else:
            key = ("0.1",) if trend.kind is TrendKind.DURATIONS else key
            counted[trend.name] = {key: 3.0}
    for counters in ({}, counted):  # a node counts from its first values on
        database.write(partial(trend_rows.add_counts, node="a", at=minute, counters=counters))
    database.write(partial(trend_rows.add_highest, at=minute, values=highest))
