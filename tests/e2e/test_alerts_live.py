"""Alerts of whole bridges: each condition is brought about for real, is told once, through kills
and on two nodes, and its end once.
"""

from __future__ import annotations

import json
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from authorities import Authority, certificate, private_pem
from cryptography.hazmat.primitives.asymmetric import ec
from mail_server import MailServer
from processes import call
from reloading_bridge import QUICK
from servers import Misbehaving, drop, respond
from serving import Bridge, github
from serving import until as until_within
from sqlalchemy import text

from bridge.core.alert import Alert
from bridge.monitoring.alerts import RAISED, RESOLVED
from bridge.store.db.database import Database
from bridge.store.queries import alerts
from bridge.store.queue import hold
from bridge.torture.disk import SmallDisk

pytestmark = pytest.mark.usefixtures("new_processes")

SOON = 0.2  # seconds
FAST = QUICK | {
    "heartbeat_seconds": 0.2,
    "lease_seconds": 4.0,
    "alert_check_seconds": 0.1,
    "alert_resolve_seconds": 1.0,
    "alert_hold_seconds": dict.fromkeys(
        (
            "clock_skew",
            "dead",
            "unknown",
            "circuit_open",
            "rejects",
            "runs_failing",
            "config_unusable",
            "silence",
            "disk_low",
        ),
        SOON,
    ),
    "circuit_open_first_seconds": 0.5,
    "circuit_open_max_seconds": 0.5,
}
HEAD = """
version: 1
platforms:
  local: {{type: local, flows: flows.py}}
  tell: {{type: http, url: "{url}/alerts"}}
  crm: {{type: http, url: "{url}/crm"}}
  lost: {{type: http, url: "{url}/lost"}}
  down: {{type: http, url: "{url}/down"}}
sources:
  github: {{provider: github, secret: "${{env:GITHUB_SECRET}}"}}
  heart: {{provider: github, secret: "${{env:GITHUB_SECRET}}", expect: 1 per 1h}}
  habit: {{provider: github, secret: "${{env:GITHUB_SECRET}}"}}
routes:
  - {{name: tell, on: flowbridge alert.*, inputs: {{type: "${{event.type}}", alert: "${{body}}"}}, flow: tell/alert}}
"""
ROUTES = """
  - {name: dead, on: github dead, inputs: {}, flow: crm/x}
  - {name: lost, on: github lost, inputs: {}, flow: lost/x, on_unknown: hold}
  - {name: down, on: github down, inputs: {}, flow: down/x, retry: {first: 1s, max: 1s, attempts: 99}}
  - {name: seldom, on: github seldom, inputs: {}, flow: local/echo, rate: 1/h}
  - {name: runs, on: github runs, inputs: {well: "${body.well}"}, flow: local/maybe}
"""
FLOWS = """
from bridge.flows import flow

@flow
def maybe(well: bool) -> dict:
    if not well:
        raise ValueError("it is not well")
    return {}
"""


until = partial(until_within, seconds=60.0)


class World:
    """What is outside of the bridge: a server that is told of alerts, and platforms that fail until
    they are mended.
    """

    def __init__(self, server: Misbehaving) -> None:
        self.server = server
        self.url = server.url
        server.script("/crm", respond(400))
        server.script("/lost", drop)
        server.script("/down", respond(503))

    def mend(self) -> None:
        self.server.script("/crm", respond())
        self.server.script("/down", respond())

    def told(self, path: str = "/alerts") -> Counter[tuple[str, str]]:
        """How often each thing was told, by (type, key). A call that was made again after a kill is
        the same by its Idempotency-Key.
        """
        found = {
            one.headers["idempotency-key"]: json.loads(one.body)
            for one in self.server.received
            if one.path == path
        }
        return Counter((one["type"], one["alert"]["key"]) for one in found.values())


@pytest.fixture
def world() -> Iterator[World]:
    with Misbehaving() as server:
        yield World(server)


def routes(world: World, more: str = ROUTES) -> str:
    return HEAD.format(url=world.url) + more


def bridge_of(folder: Path, world: World, more: str = ROUTES, **options: Any) -> Bridge:
    folder.mkdir(exist_ok=True)
    (folder / "flows.py").write_text(FLOWS)
    options.setdefault("timings", FAST)
    return Bridge(folder, routes=routes(world, more), **options)


def kept(bridge: Bridge) -> Counter[tuple[str, str]]:
    """How often each thing is told in the store, by (type, key)."""
    with bridge.database.read() as connection:
        rows = connection.execute(
            text("SELECT type, body FROM event WHERE source = 'flowbridge'")
        ).all()
    return Counter((row.type, json.loads(bytes(row.body))["key"]) for row in rows)


def known(bridge: Bridge) -> dict[str, Alert]:
    with bridge.database.read() as connection:
        return alerts.read(connection)


def looked_again(bridge: Bridge, *keys: str) -> None:
    """Wait for two looks that find these wrong from now on."""
    for _ in range(2):
        now = time.time()
        until(
            lambda now=now: all(known(bridge)[key].seen_at > now for key in keys),
            what="another look",
        )  # type: ignore[misc]


def once(type_: str, *keys: str) -> Counter[tuple[str, str]]:
    return Counter((type_, key) for key in keys)


def does(bridge: Bridge, *command: str) -> None:
    done = call(bridge.folder, "--config", str(bridge.config), *command, environ=bridge.environ)
    assert done.returncode == 0, done.stdout + done.stderr


def change(bridge: Bridge, statement: str) -> None:
    bridge.database.write(lambda connection: connection.execute(text(statement)))


# -- each condition

KEYS = (
    "dead",
    "unknown",
    "circuit_open:down",
    "queue_late:seldom:local",
    "runs_failing:runs",
    "rejects:github",
    "silence:heart",
    "silence:habit",
)
#: An event every half an hour for twelve days, as copies of the one that there is.
HABIT = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
INSERT INTO event (id, source, provider, received_at, config_hash, body_sha256, headers,
    query_string, body)
SELECT id || i, source, provider, received_at - 1800 * i, config_hash, body_sha256, headers,
    query_string, body
FROM event, n WHERE source = 'habit'
"""


def go_wrong(bridge: Bridge) -> None:
    """Bring about what is called by `KEYS`."""
    for event, body, times in (
        ("dead", b"{}", 1),
        ("lost", b"{}", 1),
        ("down", b"{}", 6),
        ("seldom", b"{}", 2),
        ("runs", b'{"well":false}', 3),
    ):
        for _ in range(times):
            assert bridge.event(body, event=event).status == 202
    for _ in range(21):
        assert bridge.post("/hooks/github", b"{}", github(b"{ }")).status == 401
    for source in ("heart", "habit"):
        assert bridge.post(f"/hooks/{source}", b"{}", github(b"{}")).status == 202
    change(
        bridge,
        "UPDATE event SET received_at = received_at - 7200 WHERE source IN ('heart', 'habit')",
    )
    change(bridge, HABIT)
    until(
        lambda: bridge.count("delivery", "route = 'seldom' AND status = 'queued'") == 1,
        what="one that waits for its hour",
    )
    change(
        bridge,
        "UPDATE delivery SET due_at = due_at - 7200 WHERE route = 'seldom' AND status = 'queued'",
    )


def get_well(bridge: Bridge, world: World) -> None:
    """Mend it all, as a person would."""
    world.mend()
    does(bridge, "retry", "--status", "dead", "--yes")
    does(bridge, "resolve", "--route", "lost", "--as", "delivered", "--yes")
    does(bridge, "cancel", "--route", "seldom", "--yes")
    for _ in range(4):
        assert bridge.event(b'{"well":true}', event="runs").status == 202
    change(bridge, "DELETE FROM reject")
    for source in ("heart", "habit"):
        assert bridge.post(f"/hooks/{source}", b"{}", github(b"{}")).status == 202


def test_each_condition_is_told_once_and_its_end_once_through_kills(
    tmp_path: Path, world: World
) -> None:
    with bridge_of(tmp_path, world) as bridge:
        go_wrong(bridge)
        until(lambda: kept(bridge), what="the first alert")
        bridge.kill()
        bridge.start()
        until(lambda: set(world.told()) >= set(once(RAISED, *KEYS)), what="everything")
        looked_again(bridge, *KEYS)
        bridge.kill()
        bridge.start()
        looked_again(bridge, *KEYS)
        assert kept(bridge) == once(RAISED, *KEYS)
        get_well(bridge, world)
        both = once(RAISED, *KEYS) + once(RESOLVED, *KEYS)
        until(lambda: set(world.told()) >= set(both), what="the end of everything")
        assert world.told() == kept(bridge) == both
        assert all(one.is_resolution_notified for one in known(bridge).values())


def test_a_clock_that_is_not_that_of_a_platform(tmp_path: Path, world: World) -> None:
    key = f"clock_skew:127.0.0.1:{world.server.port}"
    with bridge_of(tmp_path, world) as bridge:
        for ahead, told in (
            (-100.0, once(RAISED, key)),
            (0.0, once(RAISED, key) + once(RESOLVED, key)),
        ):
            world.server.script(
                "/crm", respond(headers={"Date": formatdate(time.time() + ahead, usegmt=True)})
            )
            for _ in range(3):
                assert bridge.event(event="dead").status == 202
            until(lambda told=told: world.told() == told, what=str(told))  # type: ignore[misc]
        with bridge.database.read() as connection:
            body = connection.execute(
                text("SELECT body FROM event WHERE type = 'alert.raised'")
            ).scalar_one()
        assert " s behind this machine's" in json.loads(bytes(body))["summary"]


def test_what_holds_all_starts_is_told_when_they_go_on(tmp_path: Path, world: World) -> None:
    with bridge_of(tmp_path, world) as bridge:
        bridge.database.write(lambda connection: hold.begin(connection, "a test", time.time()))
        until(lambda: kept(bridge) == once(RAISED, "starts_held"), what="the alert in the store")
        looked_again(bridge, "starts_held")
        assert world.told() == Counter()
        does(bridge, "db", "release", "--yes")
        both = once(RAISED, "starts_held") + once(RESOLVED, "starts_held")
        until(lambda: world.told() == kept(bridge) == both, what="both")


def test_a_disk_that_is_nearly_full(tmp_path: Path, world: World, small: SmallDisk) -> None:
    environ = {"FLOWBRIDGE_DATA": str(small.path / "data")}
    with bridge_of(
        tmp_path,
        world,
        environ=environ,
        timings={**FAST, "bridge.monitoring.checks.machine.MIN_FREE_SHARE": 0.5},
    ) as bridge:
        bridge.environ["FLOWBRIDGE_DATABASE_URL"] = (
            f"sqlite:///{small.path / 'data' / 'flowbridge.db'}"
        )
        assert bridge.event(event="other").status == 202
        small.fill()
        with (small.path / "ballast").open("r+b") as file:
            file.truncate(file.seek(0, 2) - 8 * 1024 * 1024)  # a third of it is left
        until(lambda: world.told() == once(RAISED, "disk_low"), what="the alert")
        small.make_room()
        until(
            lambda: world.told() == once(RAISED, "disk_low") + once(RESOLVED, "disk_low"),
            what="its end",
        )


def test_a_certificate_that_ends_is_looked_at_once_and_its_renewal_is_told(
    tmp_path: Path, world: World, authority: Authority, ca_file: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def issue(days: float) -> None:
        now = time.time()
        key = ec.generate_private_key(ec.SECP256R1())
        both = tmp_path / "both.pem"
        both.write_bytes(
            private_pem(key)
            + certificate(
                "localhost", by=authority, begins=now - 50 * 86400, ends=now + days * 86400, key=key
            )
        )
        context.load_cert_chain(both)

    issue(2)
    with Misbehaving(context=context) as public:
        host = f"localhost:{public.port}"
        keys = (f"certificate:{host}", f"certificate_urgent:{host}")
        environ = {"SSL_CERT_FILE": ca_file, "FLOWBRIDGE_PUBLIC_URL": f"https://{host}"}
        timings = {**FAST, "first_job_delay_seconds": 0.0}
        with bridge_of(tmp_path, world, environ=environ, timings=timings) as bridge:
            until(lambda: world.told() == once(RAISED, *keys), what="the alerts")
            assert (
                f'flowbridge_certificate_trusted{{host="{host}"}} 1.0'
                in bridge.get("/metrics").body.decode()
            )
            bridge.kill()
            bridge.start()
            looked_again(bridge, *keys)
            assert (world.told(), public.connections) == (once(RAISED, *keys), 1)
            bridge.kill()
            issue(40)
            bridge.timings["certificate_check_seconds"] = 0.0
            bridge.start()
            until(
                lambda: world.told() == once(RAISED, *keys) + once(RESOLVED, *keys),
                what="their end",
            )
            shown = call(tmp_path, "--config", str(bridge.config), "status", environ=bridge.environ)
            assert shown.returncode == 0 and f"of {host}, ends 20" in shown.stdout


# -- where they go

WAYS = """
  - {name: chat, on: flowbridge alert.*, inputs: {text: "*${replace(event.type, 'alert.', '')}*: ${body.summary}"}, flow: crm/chat}
  - {name: mail, on: flowbridge alert.*, flow: local/send_email,
     inputs: {to: me@example.com, subject: "${event.type}: ${body.condition}", text: "${body.what_to_do}"}}
  - {name: run, on: flowbridge alert.raised, inputs: {key: "${body.key}"}, flow: local/echo}
"""


def test_they_go_to_a_webhook_a_chat_a_mailbox_and_a_flow(tmp_path: Path, world: World) -> None:
    world.mend()
    with MailServer() as mail:
        environ = {
            "FLOWBRIDGE_SMTP_URL": f"smtp://127.0.0.1:{mail.port}?starttls=no",
            "FLOWBRIDGE_SMTP_FROM": "Bridge <bridge@example.com>",
        }
        with bridge_of(tmp_path, world, WAYS, environ=environ) as bridge:
            good = bridge.config.read_text()
            bridge.config.write_text(good.replace("local/echo", "locl/echo"))
            until(lambda: len(mail.mails) == 1, what="the first mail")
            bridge.config.write_text(good)
            until(lambda: len(mail.mails) == 2, what="the second")
            until(
                lambda: (
                    bridge.count(
                        "delivery",
                        "status = 'delivered' AND (platform <> 'local' OR run_state = 'done')",
                    )
                    == 7
                ),
                what="all of it",
            )
            assert world.told() == once(RAISED, "config_unusable") + once(
                RESOLVED, "config_unusable"
            )
            chat = [
                json.loads(one.body)["text"] for one in world.server.received if one.path == "/crm"
            ]
            assert [one.partition(" the configuration is not valid: ")[0] for one in chat] == [
                "*raised*:",
                "*resolved*:",
            ]
            assert sorted(str(one["subject"]) for one in mail.mails) == [
                "alert.raised: config_unusable",
                "alert.resolved: config_unusable",
            ]
            assert [one.get_content().strip() for one in mail.mails] == ["flowbridge check"] * 2
            assert (
                bridge.count(
                    "delivery", """route = 'run' AND outputs = '{"key":"config_unusable"}'"""
                )
                == 1
            )


def test_two_nodes_tell_it_once_and_the_one_that_is_left_tells_the_end(
    tmp_path: Path, world: World, postgresql: Database
) -> None:
    environ = {
        "FLOWBRIDGE_DATABASE_URL": postgresql.url.render_as_string(hide_password=False),
        "FLOWBRIDGE_SECRET_KEY": "k" * 40,
    }
    with bridge_of(tmp_path / "one", world, environ=environ) as leads:
        assert leads.event(event="dead").status == 202
        until(lambda: world.told() == once(RAISED, "dead"), what="the alert")
        with bridge_of(tmp_path / "two", world, environ=environ) as other:
            looked_again(other, "dead")
            leads.kill()
            looked_again(other, "dead")
            assert kept(other) == once(RAISED, "dead")
            world.mend()
            does(other, "retry", "--status", "dead", "--yes")
            both = once(RAISED, "dead") + once(RESOLVED, "dead")
            until(lambda: world.told() == kept(other) == both, what="its end")
