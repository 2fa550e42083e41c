"""A client of the admin API on a real store, without a server. Each answer is validated by the
document that the API serves.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from shared_rules import create_app
from werkzeug.test import TestResponse

from bridge.api.problems import MEDIA_TYPE
from bridge.config.settings import Settings
from bridge.core.rate_limits import Rate
from bridge.core.scopes import Scope
from bridge.routing.model import Config
from bridge.services.access_tokens import create_token
from bridge.store.db.database import Database
from bridge.web.admin.openapi import build_document
from bridge.web.admin.streams import NDJSON
from bridge.web.app_context import AppContext

ADMIN_TOKEN = "an-admin-token-of-the-settings-0123456789"
NO_CONFIG = Config(sources={}, routes=(), flows={}, platforms={}, hash="", canonical="")
#: For the timings of a served bridge: see launch.py.
LIFTED_RATES: dict[str, dict[str, Any]] = {
    f"bridge.web.admin.limits.{name}": {"count": 10**9, "per": 1.0}
    for name in ("READ_RATE", "OPERATION_RATE")
}


def lift_rates(patch: pytest.MonkeyPatch) -> None:
    """Let each token and session send as many requests as a test has."""
    for name, rate in LIFTED_RATES.items():
        patch.setattr(name, Rate(**rate))


class AdminClient:
    """Calls the admin API with a token of certain scopes."""

    def __init__(self, database: Database, folder: Path, config: Config = NO_CONFIG) -> None:
        self.database = database
        (folder / "routes.yaml").write_text("version: 1\n")
        self.settings = Settings(
            config=folder / "routes.yaml",
            data=folder / "data",
            database_url="",
            bind=("127.0.0.1", 8080),
            admin_token=ADMIN_TOKEN,
        )
        self.app = create_app(
            AppContext(
                settings=self.settings, config=lambda: config, database=database, wake=lambda: None
            )
        )
        self.client: FlaskClient = self.app.test_client()
        self.document = build_document()
        self._tokens: dict[frozenset[Scope], str] = {}

    def token(self, scopes: Iterable[Scope]) -> str:
        """Return the secret of a token with these scopes."""
        wanted = frozenset(scopes)
        if wanted not in self._tokens:
            name = "-".join(sorted(wanted))
            _, self._tokens[wanted] = create_token(
                self.database, name, wanted, None, now=time.time()
            )
        return self._tokens[wanted]

    def get(
        self,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        scopes: Iterable[Scope] = tuple(Scope),
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """GET a path below /admin/v1, and validate the answer."""
        return self.send("GET", path, query, scopes=scopes, headers=headers)

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        scopes: Iterable[Scope] = tuple(Scope),
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """Send a request with a method, and a JSON body unless it is null; validate the answer."""
        bearer = {"Authorization": f"Bearer {self.token(scopes)}"}
        answer = self.client.open(
            f"/admin/v1{path}",
            method=method,
            query_string=query,
            json=body,
            headers={**bearer, **(headers or {})},
        )
        self.validate(path, answer, method)
        return answer

    def stream(self, path: str, query: Mapping[str, Any] | None = None, **more: Any) -> list[Any]:
        """Return the records of a stream."""
        answer = self.get(path, query, headers={"Accept": NDJSON}, **more)
        assert answer.status_code == 200, answer.text
        assert answer.mimetype == NDJSON
        return [json.loads(line) for line in answer.text.splitlines()]

    def items(self, path: str, **query: Any) -> list[Any]:
        """Return the items of a list that a full page answers."""
        answer = self.get(path, query)
        assert answer.status_code == 200, answer.text
        return list(answer.get_json()["items"])

    def validate(self, path: str, answer: TestResponse, method: str = "GET") -> None:
        """Validate an answer by the document: its status, media type and body."""
        described = self._find(path, method)
        if described is None:
            assert answer.status_code in (404, 405, 401, 429, 503), answer.text
            schema: dict[str, Any] = {"$ref": "#/components/schemas/Problem"}
        else:
            if answer.status_code == 304:
                return
            responses = described["responses"]
            assert str(answer.status_code) in {*responses, "405"}, answer.text
            content = responses.get(str(answer.status_code), responses["500"]).get("content")
            if content is None:
                assert not answer.data
                return
            assert answer.mimetype in content, (answer.mimetype, content)
            schema = content[answer.mimetype].get("schema", {})
        root = {"components": self.document["components"], **schema}
        if answer.mimetype in ("application/json", MEDIA_TYPE):
            Draft202012Validator(root).validate(answer.get_json())
        if answer.mimetype == NDJSON:
            for line in answer.text.splitlines():
                Draft202012Validator(root).validate(json.loads(line))

    def _find(self, path: str, method: str) -> dict[str, Any] | None:
        parts = path.split("/")
        paths = self.document["paths"].items()
        for known, described in sorted(paths, key=lambda one: "{" in one[0]):  # as routes are found
            wanted = known.split("/")
            if len(wanted) == len(parts) and all(
                one.startswith("{") or one == other
                for one, other in zip(wanted, parts, strict=True)
            ):
                found: dict[str, Any] | None = described.get(method.lower())
                return found
        return None
