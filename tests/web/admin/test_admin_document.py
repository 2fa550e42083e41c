"""The admin API against the document that it serves, by schemathesis over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admin_client import AdminClient, lift_rates
from fake_platform import FakePlatform
from hypothesis import HealthCheck, settings
from records import NOW, make_delivery, make_event
from signed_rejects import make_reject
from trials_here import evaluate_here
from werkzeug.serving import make_server

from bridge.config.loader import load
from bridge.core.model import DeadKind, Status
from bridge.core.rate_limits import Rate
from bridge.core.scopes import Scope
from bridge.services.trials import background
from bridge.store.db.database import Database
from bridge.store.inbound import events, rejects
from bridge.store.queries import configs
from bridge.web.admin import limits
from bridge.web.admin.openapi import build_document

try:
    import schemathesis
except ImportError:
    schemathesis = None

ROUTES = """
version: 1
platforms:
  gumloop: {{type: gumloop, api_key: fake-key, user_id: fake-user, base_url: "{url}"}}
flows:
  triage: {{platform: gumloop, saved_item_id: echo}}
sources:
  github: {{provider: github, secret: s}}
  asana: {{provider: asana}}
  contact: {{provider: form}}
routes:
  - {{name: opened, on: github, inputs: {{}}, flow: triage}}
  - {{name: sent, on: contact, inputs: {{}}, flow: triage}}
"""
PROPOSAL = {"command": "retry", "mode": "propose", "filters": {"status": "dead"}}
VALUES = {
    "source": "github",
    "route": "opened",
    "flow": "triage",
    "type": "issues",
    "since": "1d",
}
EXAMPLES = 20
#: Checks that do not hold, and why.
EXCLUDED = {
    "positive_data_acceptance": "ids, names and cursors have to exist, which no schema can say",
    "use_after_free": "a token is deleted, and tests go on",
    "ensure_resource_availability": "what an operation would change may be nothing",
}

#: What answers only errors here: no event has a file, no route is a shadow, no trial was evaluated.
UNANSWERED = [
    "GET /events/{id}/files/{sha256}",
    "GET /routes/{name}/shadow",
    "GET /trials/{id}",
]


class Served:
    """The admin API on a port of loopback, with a record of each kind."""

    def __init__(self, folder: Path, migrated_file: Path, platform: FakePlatform) -> None:
        copy = folder / "flowbridge.db"
        copy.write_bytes(migrated_file.read_bytes())
        self.database = Database(f"sqlite:///{copy}")
        path = folder / "given.yaml"
        path.write_text(ROUTES.format(url=platform.base_url))
        config = load(path, {})
        self.admin = AdminClient(self.database, folder, config)
        self.token = self.admin.token(tuple(Scope))
        event = make_event("1", body=b'{"action": "opened"}', source="github")
        delivery = make_delivery(
            event, status=Status.DEAD, dead_kind=DeadKind.PLATFORM, reason="HTTP 401: no"
        )
        events.add(self.database, event, (delivery,), lambda *_: [])
        reject = make_reject(source="github")
        rejects.add(self.database, reject)
        configs.remember_config(self.database, config.hash, config.canonical, NOW)
        self.known = {
            "events": event.id,
            "deliveries": delivery.id,
            "rejects": reject.id,
            "sources": "github",
            "learning": "asana",
            "routes": "opened",
            "platforms": "gumloop",
            "submissions": "contact",
            "configs": config.hash,
            "operations": self._send("/operations", PROPOSAL)["id"],
            "tokens": self._send("/tokens", {"name": "other", "scopes": ["read"]})["id"],
            "runs": self._send("/runs", {"flow": "triage"})["run_id"],
        }
        self._server = make_server("127.0.0.1", 0, self.admin.app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.port}/admin/v1"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _send(self, path: str, body: Any) -> Any:
        return self.admin.send("POST", path, body=body).get_json()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.database.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Served]:
    with FakePlatform() as platform, pytest.MonkeyPatch.context() as patch:
        platform.cap = 10**6
        lift_rates(patch)
        patch.setattr(limits, "REFUSED_RATE", Rate(count=10**9, per=1.0))
        patch.setattr(background, "evaluate_request", lambda *_: None)
        evaluate_here(patch)
        one = Served(tmp_path_factory.mktemp("served"), migrated_file, platform)
        yield one
        one.close()


def wait_for_trials() -> None:
    """Wait for the trial that an earlier request began: only one is evaluated at once."""
    for thread in threading.enumerate():
        if thread.name == "trial":
            thread.join()


def use_known(case: Any, known: dict[str, str]) -> None:
    """Name records that are there, so that more than errors is answered."""
    kind = case.path.split("/")[1]
    names = case.path_parameters or {}
    if kind == "flows" and "id" in names:
        names["id"] = "echo"
    if case.path.endswith("/learn"):
        kind = "learning"
    for name in case.path_parameters or {}:
        if name in ("id", "name", "source", "hash", "a", "b") and kind in known:
            case.path_parameters[name] = known[kind]
        elif name == "platform":
            case.path_parameters[name] = known["platforms"]
    for part in (case.query, case.body):
        if isinstance(part, dict):
            part.update({name: value for name, value in VALUES.items() if name in part})
            for name in ("until", "before", "after", "where", "step", "ids"):
                part.pop(name, None)
    if case.method == "POST" and case.path == "/operations":
        case.body = PROPOSAL | {"mode": "dry_run"}


if schemathesis is not None:
    document = schemathesis.openapi.from_dict(build_document())
    answered: dict[str, set[int]] = {}

    @document.parametrize()
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def test_every_answer_is_as_the_document_says(case: Any, served: Served) -> None:
        from schemathesis.checks import CHECKS, load_all_checks

        if case.meta is None or case.meta.generation.mode.value == "positive":
            use_known(case, served.known)
        if isinstance(case.query, dict) and "wait" in case.query:
            case.query["wait"] = "0"
        wait_for_trials()
        answer = case.call(base_url=served.url, headers={"Authorization": f"Bearer {served.token}"})
        answered.setdefault(case.operation.label, set()).add(answer.status_code)
        load_all_checks()
        case.validate_response(answer, excluded_checks=CHECKS.get_by_names(list(EXCLUDED)))

    def test_more_than_errors_was_answered() -> None:
        if len(answered) < 40:
            pytest.skip("not all tests of the document ran")
        found = sorted(label for label, each in answered.items() if min(each) >= 300)
        assert found == UNANSWERED, [(one, sorted(answered[one])) for one in found]

else:

    @pytest.mark.skip(reason="schemathesis is not installed")
    def test_every_answer_is_as_the_document_says() -> None:
        """See above."""
