"""Events that are built without verification: as a receiver would store them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.config.loader import load
from bridge.core.errors import Refused
from bridge.core.http_messages import Request
from bridge.core.masking import MASK
from bridge.ingest.redaction import MARK_BEGINNING, add_all_keys
from bridge.ingest.unverified_events import UNSTORED_EVENT_ID, build_unverified_events
from bridge.providers.registry import PROVIDERS
from bridge.providers.samples.loader import sample
from bridge.routing.model import Config, Source
from bridge.routing.planner import event_id_of
from bridge.services.samples.events import sample_events

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  gitlab: {provider: gitlab, secret: "${env:NOT_SET}", redact: [body.user.email]}
  contact: {provider: form, schema: {required: [name], properties: {name: {type: string}}}}
  crm: {provider: hmac, verify: {header: X-S}, secret: "${env:NOT_SET}", split: "body:events"}
routes:
  - {name: all, on: gitlab, inputs: {n: 1}, flow: local/echo}
  - {name: contact, on: contact, flow: local/echo}
  - {name: crm, on: crm, inputs: {n: 1}, flow: local/echo}
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "routes.yaml"
    file.write_text(ROUTES)
    return add_all_keys(load(file, {}, strict_secrets=False), "k" * 32)


def ask(body: bytes, content_type: str = "application/json", **headers: str) -> Request:
    return Request(
        method="POST", path="", headers={"content-type": content_type, **headers}, body=body
    )


def test_samples_of_every_provider_become_the_events_of_their_types(config: Config) -> None:
    for row in PROVIDERS.values():
        if row.scheme is None or row.custom_payload or not row.samples:
            continue
        source = Source(
            name=row.name,
            provider=row,
            scheme=row.scheme,
            event_type=row.event_type,
            event_id=row.event_id,
            batch=row.batch,
        )
        first = row.samples[0].type
        request = sample(row.name, first, now=1_772_366_400.0, new_id="sample")
        found = build_unverified_events(request, source, config, 1_772_366_400.0)
        if found[0].problem is not None:  # its body is a signed token
            continue
        expected = [type_ for type_, _ in sample_events(source)]
        assert [one.type for one in found] == expected[: len(found)], row.name
        assert {one.id for one in found} == {UNSTORED_EVENT_ID}


def test_credentials_are_masked_and_values_redacted(config: Config) -> None:
    request = ask(b'{"user":{"email":"ada@example.com"}}', **{"x-gitlab-token": "s3cret"})
    (one,) = build_unverified_events(request, config.sources["gitlab"], config, 0.0)
    assert one.headers["x-gitlab-token"] == MASK
    assert MARK_BEGINNING.encode() in one.body and b"ada@" not in one.body


def test_a_batch_is_split(config: Config) -> None:
    request = ask(b'{"events":[{"n":1},{"n":2}]}')
    found = build_unverified_events(request, config.sources["crm"], config, 0.0)
    assert [one.body for one in found] == [b'{"n":1}', b'{"n":2}']


def test_a_submission_is_checked_and_its_files_are_described(config: Config) -> None:
    source = config.sources["contact"]
    (one,) = build_unverified_events(ask(b'{"name":"Ada"}'), source, config, 0.0)
    assert one.problem is None and one.spam is None
    with pytest.raises(Refused):
        build_unverified_events(ask(b'{"other":"Ada"}'), source, config, 0.0)


def test_an_unreadable_body_is_a_problem(config: Config) -> None:
    source = replace(config.sources["gitlab"], redact=None)
    (one,) = build_unverified_events(ask(b"{"), source, config, 0.0)
    assert "is not JSON" in str(one.problem)


def test_the_id_has_the_format_of_stored_ones() -> None:
    assert event_id_of(f"dlv_{UNSTORED_EVENT_ID[4:]}abcdefgh") == UNSTORED_EVENT_ID
