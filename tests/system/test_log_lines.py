"""What `serve` prints on a terminal: one readable line per event, and nothing that a terminal
obeys.
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from serving import Bridge, until

from bridge.system.log_lines import format_line

AT = "2026-11-27T08:26:25.123456Z"
EVENT = {
    "event_id": "evt_01k2m9abcd",
    "source": "github",
    "type": "issues",
    "provider_id": "1",
    "bytes": 2,
    "files": 0,
    "deliveries": 1,
    "routes": ["triage"],
    "status": 202,
    "duplicate": False,
    "problem": None,
    "spam": None,
    "ms": 12.3,
}


def shown(event: str, level: str = "info", **values: Any) -> str | None:
    """Return a line without its colours."""
    text = format_line({"timestamp": AT, "level": level, "event": event, **values})
    return None if text is None else re.sub(r"\x1b\[\d*m", "", text)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "08:26:25  github issues         202            → triage  12 ms\n"),
        ({"left_out": []}, "08:26:25  github issues         202            → triage  12 ms\n"),
        (
            {"left_out": ["text", "x"]},
            "08:26:25  github issues         202            → triage  without text +1  12 ms\n",
        ),
        ({"type": None}, "08:26:25  github                202            → triage  12 ms\n"),
        (
            {"routes": [], "deliveries": 0},
            "08:26:25  github issues         202 no route   flowbridge show k2m9abcd  12 ms\n",
        ),
        (
            {"duplicate": True, "status": 200},
            "08:26:25  github issues         200 duplicate  flowbridge show k2m9abcd  12 ms\n",
        ),
        ({"status": 303}, "08:26:25  github issues         303            → triage  12 ms\n"),
        (
            {"status": 200, "routes": []},
            "08:26:25  github issues         200 no route   flowbridge show k2m9abcd  12 ms\n",
        ),
        (
            {"spam": "token"},
            "08:26:25  github issues         202 spam       flowbridge show k2m9abcd  12 ms\n",
        ),
        (
            {"problem": "cannot be\x1b[2J read"},
            "08:26:25  github issues         202 problem    cannot be\\x1b[2J read  12 ms\n",
        ),
    ],
)
def test_an_event_is_one_line_of_eighty_columns(changes: dict[str, Any], text: str) -> None:
    assert shown("event", **EVENT | changes) == text and len(text) <= 80


PARKED = {
    "route": "triage",
    "flow": "local/x",
    "cause": "the payload does not fit payload_schema: $.title",
}
PARKED_LINE = (
    "    triage → local/x    dead, config\n"
    "    the payload does not fit payload_schema: $.title  flowbridge show k2m9abcd\n"
)


def test_a_shadow_route_and_a_parked_delivery_do_not_look_like_live_ones() -> None:
    routes = ["triage", "log-it", "trial"]
    event = EVENT | {"routes": routes, "shadow": ["trial"], "parked": [PARKED]}
    head = "08:26:25  github issues         202            → log-it, trial (shadow)  12 ms\n"
    assert shown("event", **event) == head + PARKED_LINE
    alone = EVENT | {"parked": [PARKED]}
    head = "08:26:25  github issues         202 parked     flowbridge show k2m9abcd  12 ms\n"
    assert shown("event", **alone) == head + PARKED_LINE
    short = EVENT | {"parked": [PARKED | {"cause": "reserved name"}]}
    text = shown("event", **short) or ""
    assert text.endswith("dead, config   reserved name  flowbridge show k2m9abcd\n")
    assert all(len(line) <= 80 for line in text.splitlines())


def test_only_some_of_many_parked_deliveries_have_a_line() -> None:
    text = shown("event", **EVENT | {"parked": [PARKED] * 7}) or ""
    assert text.count("dead, config") == 5
    assert text.endswith("    2 more: flowbridge show k2m9abcd\n")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ("done", "08:26:25    triage → gumloop/x  done (found)\n"),
        ("failed", "08:26:25    triage → gumloop/x  failed (found)  flowbridge show 23456789\n"),
        ("running", "08:26:25    triage → gumloop/x  found\n"),
        (None, "08:26:25    triage → gumloop/x  found\n"),
    ],
)
def test_a_run_that_is_found_after_a_lost_answer_is_a_line(state: str | None, text: str) -> None:
    looked = {
        "delivery_id": ATTEMPT["delivery_id"],
        "route": "triage",
        "flow": "gumloop/x",
        "decided": "adopt",
        "run_id": "0123456789",
        "state": state,
    }
    assert shown("reconciled", **looked) == text
    for decided in ("again", "hold", "queue"):
        assert shown("reconciled", **looked | {"decided": decided}) is None


def test_what_becomes_of_it_is_a_line_each() -> None:
    run = {
        "delivery_id": "dlv_1",
        "event_id": "evt_1",
        "route": "triage",
        "flow": "local/x",
        "run_id": "0123456789",
        "seconds": 0.314,
    }
    assert (
        shown("run", state="done", **run)
        == "08:26:25    triage → local/x    done           0.31 s\n"
    )
    assert (
        shown("run", state="failed", **run)
        == "08:26:25    triage → local/x    failed         flowbridge show 23456789  0.31 s\n"
    )
    assert (
        shown("run", state="done", **run | {"seconds": None})
        == "08:26:25    triage → local/x    done\n"
    )
    rejected = shown(
        "rejected",
        "warning",
        source="github",
        reason="mismatch",
        client=None,
        reject_id="rej_01k2m9abcd",
    )
    assert rejected == "08:26:25  github                401 refused    flowbridge show k2m9abcd\n"


ATTEMPT = {
    "delivery_id": "dlv_01kav9ft02dt6jdr9hxhc6q06doivnhpdq",
    "route": "triage",
    "flow": "gumloop/x",
    "outcome": "started",
    "status_code": None,
    "detail": None,
}
SHOW = "flowbridge show c6q06doivnhpdq"
LOST = "api.example.com: the connection was closed before an answer"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"outcome": "rejected", "status_code": 403},
            f"  triage → gumloop/x  rejected\n    HTTP 403  {SHOW}\n",
        ),
        (
            {"outcome": "rejected", "status_code": 403, "flow": "x"},
            f"  triage → x          rejected\n    HTTP 403  {SHOW}\n",
        ),
        (
            {"outcome": "unauthorized", "status_code": 401},
            "  triage → gumloop/x  unauthorized   HTTP 401  flowbridge status\n",
        ),
        (
            {"outcome": "unknown", "detail": LOST},
            (
                "  triage → gumloop/x  unknown\n    the connection was closed before an answer "
                f" {SHOW}\n"
            ),
        ),
        ({"outcome": "refused"}, f"  triage → gumloop/x  refused        {SHOW}\n"),
        (
            {"outcome": "unknown", "detail": "x" * 99},
            f"  triage → gumloop/x  unknown\n    {'x' * 43}…  {SHOW}\n",
        ),
        (
            {"outcome": "unknown", "route": "r" * 90, "detail": "no\x1b[2J"},
            f"  {'r' * 52}…  unknown\n    no\\x1b[2J  {SHOW}\n",
        ),
    ],
)
def test_a_start_that_failed_says_why_and_of_which_delivery_in_eighty_columns(
    changes: dict[str, Any], text: str
) -> None:
    assert shown("attempt", **ATTEMPT) is None
    assert shown("attempt", "warning", **ATTEMPT | changes) == f"08:26:25  {text}"
    assert max(map(len, f"08:26:25  {text}".splitlines())) <= 80


def test_counts_have_the_right_number() -> None:
    assert (
        shown("config_reloaded", sources=1, routes=1)
        == "08:26:25  routes.yaml reloaded: 1 source, 1 route\n"
    )
    assert (
        shown("config_reloaded", sources=0, routes=2)
        == "08:26:25  routes.yaml reloaded: 0 sources, 2 routes\n"
    )


def test_a_call_that_a_worker_did_not_end_says_of_which_delivery() -> None:
    line = shown(
        "taken_over",
        "warning",
        delivery_id=ATTEMPT["delivery_id"],
        event_id="evt_1",
        status="unknown",
    )
    assert line == f"08:26:25  warning  a worker died during a call\n    unknown  {SHOW}\n"


def test_a_request_to_no_source_and_one_that_doctor_sent() -> None:
    misspelt = shown("unknown_source", source="gihub\x1b", near="github")
    none = shown("unknown_source", source="crm", near=None)
    assert misspelt == f"08:26:25  {'gihub':<5}\\x1b{' ' * 13}404            did you mean github?\n"
    assert none == f"08:26:25  {'crm':<20}  404            routes.yaml has no such source\n"
    assert shown("event", **EVENT, dry=True) is None


def test_a_source_without_its_secret_is_a_line_that_names_the_variable() -> None:
    line = shown("no_secret", "error", source="github", missing="environment variable X is not set")
    assert line == "08:26:25  github                503 no_secret  X is not set: set it in .env\n"


@pytest.mark.parametrize(
    ("status", "code", "fields", "text"),
    [
        (403, "origin_not_allowed", [], "403 origin_not_allowed  see allowed_origins"),
        (422, "invalid", ["email", "na\x1bme"], "422 invalid    email, na\\x1bme"),
        (422, "invalid", [], "422 invalid    fields not in routes.yaml"),
        (409, "used_before", [], "409 used_before"),
    ],
)
def test_a_form_that_was_refused_is_a_line_with_the_key_that_decides_it(
    status: int, code: str, fields: list[str], text: str
) -> None:
    line = shown("form_refused", source="contact", status=status, code=code, fields=fields)
    assert line == f"08:26:25  {'contact':<20}  {text}\n" and len(line) <= 80


def test_the_rest_is_left_out_unless_it_needs_attention() -> None:
    assert shown("flows_loaded", flows=8) is None
    invalid = shown(
        "config_invalid",
        "error",
        problems=("routes.yaml:3:1: a", "routes.yaml:4:1: b\x07"),
        kept="abc",
    )
    assert (
        invalid
        == "08:26:25  error  config invalid\n    routes.yaml:3:1: a\n    routes.yaml:4:1: b\\x07\n"
    )
    failed = shown("flow_failed", "warning", flow="x", exception="Traceback…\nKeyError\n")
    assert failed == "08:26:25  warning  flow failed  flow=x\nTraceback…\nKeyError\n"


def test_what_can_be_used_again_is_said() -> None:
    taken = {"hash": "b", "was": "a", "sources": 2, "routes": 3}
    assert (
        shown("config_reloaded", **taken, valid_again=False)
        == "08:26:25  routes.yaml reloaded: 2 sources, 3 routes\n"
    )
    assert (
        shown("config_reloaded", **taken, valid_again=True)
        == "08:26:25  routes.yaml is valid again: 2 sources, 3 routes\n"
    )
    assert shown("config_valid", hash="a") == "08:26:25  routes.yaml is valid again: no changes\n"
    assert (
        shown("flows_loaded", flows=9, valid_again=True)
        == "08:26:25  flows.py is valid again: 9 flows\n"
    )
    assert shown("flows_loaded", flows=9, valid_again=False) is None


def test_another_bridge_on_the_store_is_named() -> None:
    said = shown("store_shared", "warning", data="/srv/hooks/data", pid=4711, bind="127.0.0.1:8080")
    assert (
        said
        == "08:26:25  warning  another flowbridge is using this store: /srv/hooks/data\n    process"
        " 4711 at http://127.0.0.1:8080; both deliver events: stop one unless this is intended\n"
    )
    assert "process 4711; both" in str(
        shown("store_shared", "warning", data="/srv", pid=4711, bind=None)
    )


def test_settings_that_count_after_a_restart_are_listed() -> None:
    assert (
        shown("restart_needed", "warning", settings=("FLOWBRIDGE_BIND", "FLOWBRIDGE_LOG"))
        == "08:26:25  warning  settings in .env changed; restart flowbridge to apply them\n"
        "    FLOWBRIDGE_BIND\n    FLOWBRIDGE_LOG\n"
    )


def test_missing_values_are_listed_with_what_they_come_to() -> None:
    missing = {
        "sources.github": "environment variable A_SECRET is not set",
        "platforms.crm": "file crm.key is empty\x07",
    }
    assert (
        shown("values_missing", "warning", missing=missing)
        == "08:26:25  warning  missing values; set them in .env (no restart needed)\n"
        "    source github answers 503: A_SECRET is not set\n"
        "    deliveries to platform crm wait: file crm.key is empty\\x07\n"
    )


def test_flows_that_are_missing_are_listed_by_route_and_their_end_is_said() -> None:
    missing = {"triage": "triaje", "mail\x07": "sent"}
    assert (
        shown("flows_missing", "warning", flows=missing)
        == "08:26:25  warning  routes use flows that the local platform does not have; their"
        " deliveries wait\n    route triage: triaje\n    route mail\\x07: sent\n    restore"
        " them in flows.py or change routes.yaml; next step: flowbridge status\n"
    )
    assert (
        shown("flows_found", flows=missing)
        == "08:26:25  flows are available again: routes triage, mail\\x07\n"
    )


def test_a_flows_file_that_cannot_be_used_is_shown_with_what_still_runs() -> None:
    broken = "flows.py:37: SyntaxError: invalid syntax"
    head = f"08:26:25  error  cannot load flows.py: {broken}\n"
    check = "fix flows.py, no restart needed: flowbridge check\n"
    assert (
        shown("flows_not_loaded", "error", error=broken, kept=True)
        == f"{head}    the flows loaded before still run; {check}"
    )
    assert shown("flows_not_loaded", "error", error=broken, kept=False) == f"{head}    {check}"


def test_of_a_flow_that_failed_the_last_line_of_its_traceback_is_shown() -> None:
    traceback = (
        'Traceback (most recent call last):\n  File "flows.py", line 18, in triage\n    raise'
        ' KeyError("x")\nKeyError\n'
    )
    assert (
        shown("flow_failed", "warning", flow="triage", run_id="r1", traceback=traceback)
        == "08:26:25  warning  flow triage failed: KeyError\n"
    )


class OnTerminal(Bridge):
    """A bridge whose stderr is a terminal."""

    def start_without_waiting(self) -> None:
        self.screen, child = pty.openpty()
        self.process = subprocess.Popen(
            self._command(),
            stdout=child,
            stderr=child,
            env=self.environ,
            cwd=self.folder,
            start_new_session=True,
        )
        os.close(child)
        self.raw = b""

    def read(self) -> str:
        """Return all that is on the screen so far, without its colours."""
        while select.select([self.screen], [], [], 0)[0]:
            try:
                self.raw += os.read(self.screen, 65536)
            except OSError:
                break
        text = self.raw.decode(errors="ignore")  # it may end within a character
        return re.sub(r"\x1b\[\d*m", "", text).replace("\r\n", "\n")

    @property
    def stderr(self) -> str:
        return self.read()


@pytest.mark.usefixtures("new_processes")
def test_serve_on_a_terminal_prints_a_line_for_each_event_and_run(tmp_path: Path) -> None:
    with OnTerminal(tmp_path, fresh=True) as bridge:
        assert bridge.event().status == 202
        until(
            lambda: re.search(r"\d\d:\d\d:\d\d    everything → local/echo\s+done ", bridge.read()),
            what="the end of its run",
        )
        lines = [line for line in bridge.read().splitlines() if re.match(r"\d\d:\d\d:\d\d  ", line)]
        assert re.fullmatch(
            r"\d\d:\d\d:\d\d  github issues\s+202\s+→ everything  \d+ ms", lines[0]
        ), lines
        assert len(lines) == 2 and not any("{" in line for line in lines)
        assert (
            bridge.post(
                "/hooks/github",
                b"{}",
                {"X-Hub-Signature-256": "sha256=00", "X-GitHub-Event": "issues"},
            ).status
            == 401
        )
        until(
            lambda: re.search(r"401 refused +flowbridge show [0-9a-z]{8}", bridge.read()),
            what="the refused one",
        )
        assert bridge.post("/hooks/gitub", b"{}").status == 404
        until(lambda: "did you mean github?" in bridge.read(), what="the misspelt one")
        assert bridge.stop(signal.SIGINT) == 0
        assert "Traceback" not in bridge.read()
