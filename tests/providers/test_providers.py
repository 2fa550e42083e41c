"""The provider table: rows are complete, samples are accepted, and handshakes answer only tests."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from folders import SUPPORT
from senders import sender
from signing import NOW, post, secrets
from tables import for_each
from vectors import Vector

from bridge.core.errors import BadSignature
from bridge.core.locators import URLENCODED, JoinedLocators, compile_locator, dig, locate
from bridge.providers import catalog, event_types
from bridge.providers.event_types.loader import documented_types
from bridge.providers.model import (
    CREDENTIAL_HEADERS,
    EVIDENCE_LEVELS,
    Probe,
    Provider,
    masked_locators,
)
from bridge.providers.registry import PROVIDERS
from bridge.providers.samples import loader
from bridge.providers.samples.loader import sample, sample_types
from bridge.providers.signatures.alternatives import HeaderSets
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.shared_token import SharedToken, Unsigned

VECTORS: list[Vector] = [
    vector
    for path in sorted(SUPPORT.glob("vectors*.py"))
    for vector in importlib.import_module(path.stem).VECTORS
]
ROWS = list(PROVIDERS.values())
SAMPLES = [(row.name, entry.type) for row in ROWS for entry in row.samples]
FIRST = ["github", "stripe", "slack", "standard_webhooks", "svix", "form", "hmac", "token", "basic"]
#: The event types that most people receive from the commonest senders.
COMMON_TYPES = {
    "github": ("issues", "push", "pull_request", "release"),
    "stripe": ("invoice.paid", "checkout.session.completed", "payment_intent.succeeded"),
    "shopify": ("orders/create", "orders/paid", "products/update"),
    "slack": ("message", "app_mention", "reaction_added"),
    "gitlab": ("push", "merge_request", "issue"),
    "twilio": ("received", "ringing", "delivered"),
    "hubspot": ("contact.creation", "contact.propertyChange", "deal.propertyChange"),
    "linear": ("Issue.create", "Issue.update", "Comment.create"),
    "typeform": ("form_response",),
    "calendly": ("invitee.created", "invitee.canceled", "invitee_no_show.created"),
}
each_sample = for_each("name, type_", SAMPLES)
UNCONFIRMED = 0.2  # the part of the table that may be so


def test_every_catalog_module_is_imported_and_names_are_unique() -> None:
    modules = [
        importlib.import_module(f"bridge.providers.catalog.{one.name}")
        for one in pkgutil.iter_modules(catalog.__path__)
    ]
    rows = [row for module in modules for row in getattr(module, "ROWS", ())]
    assert sorted(row.name for row in rows) == sorted(PROVIDERS), (
        "a module of rows that is not imported, or a name used twice"
    )
    assert [name for name in FIRST if name not in PROVIDERS] == []
    assert [row.name for row in ROWS if row.scheme is None] == ["hmac"]
    assert len({row.title for row in ROWS}) == len(ROWS)


def test_most_rows_are_confirmed() -> None:
    unconfirmed = [row.name for row in ROWS if row.evidence == "unconfirmed"]
    assert len(unconfirmed) < UNCONFIRMED * len(ROWS), unconfirmed


@for_each("row", ROWS, ids=lambda row: row.name)
def test_row_is_whole(row: Provider) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", row.name)
    assert row.evidence in EVIDENCE_LEVELS
    assert re.fullmatch(r"https://[^\s/]+/\S*", row.docs)
    assert row.title and row.secret_hint and not row.secret_hint.endswith(".")
    for text in (row.setup, row.retries, row.signs, row.limits):
        assert not text or (text.endswith(".") and text == " ".join(text.split())), text
    assert row.setup and row.retries and row.signs
    assert row.answer_within and not row.answer_within.endswith(".")
    assert row.body == "json" or re.fullmatch(r"form_payload:\w+|jwt:\w+(,\w+)*", row.body)
    assert set(CREDENTIAL_HEADERS) <= set(row.credentials)
    assert row.samples and len(set(sample_types(row.name))) == len(row.samples)
    for place in (*row.event_type, *row.event_id, *row.retry):
        for text in (
            place.texts
            if isinstance(place, JoinedLocators)
            else (place,)
            if isinstance(place, str)
            else ()
        ):
            compile_locator(text.removesuffix("?"))
    for text in row.credentials:
        compile_locator(text)
    assert not (row.dedup_body and row.event_id and not row.limits and row.batch), (
        "a batch with ids needs no body to tell it by"
    )


@pytest.mark.usefixtures("new_processes")
def test_table_is_light() -> None:
    """Every command reads the rows, so they import no large library: two small ones alone."""
    code = (
        "import sys; before = set(sys.modules); import bridge.providers.registry;"
        " print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert imported - sys.stdlib_module_names == {"bridge", "itsdangerous", "orjson"}


@for_each(
    "folder", sorted(path.name for path in Path(loader.__file__).parent.iterdir() if path.is_dir())
)
def test_every_payload_on_disk_is_a_sample_of_a_row(folder: str) -> None:
    if folder == "__pycache__":
        return
    on_disk = {path.name for path in (Path(loader.__file__).parent / folder).iterdir()}
    assert on_disk == {entry.payload for entry in PROVIDERS[folder].samples}


@for_each("name", list(COMMON_TYPES))
def test_common_sender_has_a_sample_of_each_common_type(name: str) -> None:
    assert set(COMMON_TYPES[name]) <= set(sample_types(name))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.id)
def test_published_vectors_are_judged_as_their_publisher_says(vector: Vector) -> None:
    if vector.provider == "generic":
        return  # tests/providers/signatures/test_signatures.py knows its schemes
    one = sender(vector.provider)
    request = post(vector.body.encode(), vector.headers, **vector.request)
    if vector.valid:
        one.scheme.verify(request, secrets(vector.secret), vector.now or NOW)
    else:
        with pytest.raises(BadSignature):
            one.scheme.verify(request, secrets(vector.secret), vector.now or NOW)


@for_each("row", [row for row in ROWS if row.event_types], ids=lambda row: row.name)
def test_list_of_event_types_names_its_page_and_has_the_types_of_the_samples(row: Provider) -> None:
    assert row.event_types is not None
    file = Path(event_types.__file__).parent / f"{row.name}.txt"
    assert file.read_text().startswith(f"# {row.event_types.docs},"), (
        f"{file.name} must begin with `# {row.event_types.docs}, MONTH YEAR`"
    )
    own_types = {*row.test_types, *(each.type for each in row.samples)}
    assert own_types - documented_types(row.name) == set(), f"not in {file.name}"


@for_each("row", ROWS, ids=lambda row: row.name)
def test_row_whose_hmac_signs_no_time_says_what_limits_that(row: Provider) -> None:
    if isinstance(row.scheme, Hmac) and row.scheme.timestamp is None:
        assert row.limits, "set `limits`, as with REPLAY_KNOWN_BY_ID of catalog/_shared.py"


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.evidence == "vector"], ids=lambda row: row.name
)
def test_row_with_vector_evidence_has_a_valid_and_an_invalid_vector(row: Provider) -> None:
    name = "generic" if row.name == "hmac" else row.name
    verdicts = {vector.valid for vector in VECTORS if vector.provider == name}
    assert True in verdicts and (False in verdicts or name == "generic")


class TestSample:
    @each_sample
    def test_is_let_in_with_its_type_and_a_fresh_id_or_is_a_test_of_the_url(
        self, name: str, type_: str
    ) -> None:
        one = sender(name)
        received, events = one.receive(one.signed(type_))
        if not events:
            assert one.row.handshakes and received.reply.status in (
                200,
                204,
            ), "neither an event nor a handshake"
            return
        assert received.reply.status in (200, 202, 204)
        if one.row.confirmation and type_ == one.row.confirmation.kind[1]:
            assert "no URL is fetched" in (events[0].problem or "")
        else:
            assert [event.problem for event in events if event.problem] == []
        if one.row.event_type:
            assert events[0].type == type_
            assert all(event.type for event in events)
        ids = [event.provider_id for event in events]
        assert len(set(ids)) == len(ids) or ids == [None]
        again = [event.provider_id for event in one.receive(one.signed(type_))[1]]
        other = [event.provider_id for event in one.receive(one.signed(type_, "another-id"))[1]]
        assert again == ids, "the same event must have the same id"
        if ids != [None]:
            assert not set(other) & set(ids), (
                "another event must have another id: write {id} in its place in the sample"
            )

    @each_sample
    def test_is_filled_in_and_fresh(self, name: str, type_: str) -> None:
        one, two = (sample(name, type_, now=NOW + n, new_id=f"id-{n}") for n in (1, 2))
        for text in (one.body.decode(), *one.headers.values()):
            assert not loader.PLACEHOLDER.search(text)
        assert name == "form" or (one.body, dict(one.headers)) != (two.body, dict(two.headers)), (
            "two copies are equal: neither headers nor payload have {id}, {now} or {now_iso}"
        )
        assert one.path == f"/hooks/{name}" and one.method == "POST"
        assert all(header == header.lower() for header in one.headers)

    @each_sample
    def test_is_unsigned(self, name: str, type_: str) -> None:
        headers = sample(name, type_, now=NOW, new_id="x").headers
        assert [
            header for header in headers if "signature" in header or "authorization" in header
        ] == []

    @each_sample
    def test_tells_how_often_it_was_tried(self, name: str, type_: str) -> None:
        row = PROVIDERS[name]
        request = sample(name, type_, now=NOW, new_id="x")
        for place in row.retry:
            assert isinstance(place, str) and place.startswith(("header:", "body:"))
            if place.startswith("header:"):
                marked = replace(
                    request, headers={**request.headers, place.partition(":")[2].lower(): "2"}
                )
                assert locate(row.retry, marked, None) == "2"


@pytest.mark.parametrize(
    "row", [row for row in ROWS if not row.event_id and row.dedup_body], ids=lambda row: row.name
)
def test_body_tells_events_apart_where_the_row_says_so(row: Provider) -> None:
    one = sender(row.name)
    (event,) = one.receive(one.signed())[1]
    assert event.provider_id is not None and event.provider_id.startswith("sha256:")


@pytest.mark.parametrize("row", [row for row in ROWS if row.batch], ids=lambda row: row.name)
def test_batch_is_taken_apart_and_one_that_grew_has_only_one_new_event(row: Provider) -> None:
    assert row.batch is not None
    one = sender(row.name)
    request = one.request()
    document = json.loads(request.body) if request.content_type != URLENCODED else None
    if document is None:
        return  # a form's batch is in its field: tested with its row
    steps = row.batch.at.split(".") if row.batch.at else []
    items = document
    for step in steps:
        items = items[int(step)] if isinstance(items, list) else items[step]
    assert isinstance(items, list) and items, "a batch's sample holds events"
    other = json.loads(one.request(new_id="other-id").body)
    for step in steps:
        other = other[int(step)] if isinstance(other, list) else other[step]
    before = {event.provider_id for event in one.receive(one.signed())[1]}
    items.append(other[0])
    after = [
        event.provider_id
        for event in one.receive(one.sign(replace(request, body=json.dumps(document).encode())))[1]
    ]
    if None not in before:
        assert len(set(after)) == len(after) and len(set(after) - before) == 1


def test_the_error_of_an_unknown_sample_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="there are issues, ping, push, pull_request, release"):
        sample("github", "nope", now=NOW, new_id="x")
    with pytest.raises(ValueError, match="there are github, "):
        sample("nope", now=NOW, new_id="x")


def test_github_type_is_the_header_alone() -> None:
    request = post(headers={"x-github-event": "issues"})
    assert (
        locate(PROVIDERS["github"].event_type, request, {"action": "opened", "type": "x"})
        == "issues"
    )


@pytest.mark.parametrize(
    ("body", "form", "type_", "id_"),
    [
        (
            {"type": "event_callback", "event_id": "Ev1", "event": {"type": "message"}},
            False,
            "message",
            "Ev1",
        ),
        ({"type": "block_actions", "trigger_id": "1.2.a"}, True, "block_actions", "1.2.a"),
        ({"command": "/deploy", "trigger_id": "1.2.b", "text": ""}, True, "/deploy", "1.2.b"),
        ({"type": "app_rate_limited"}, False, "app_rate_limited", None),
    ],
)
def test_slack_names_its_three_kinds_of_request(
    body: dict[str, Any], form: bool, type_: str, id_: str | None
) -> None:
    request = post(headers={"content-type": URLENCODED if form else "application/json"})
    assert locate(PROVIDERS["slack"].event_type, request, body) == type_
    assert locate(PROVIDERS["slack"].event_id, request, body) == id_


def test_slack_challenge_is_answered_after_verification_and_nothing_else_is() -> None:
    (handshake,) = PROVIDERS["slack"].handshakes
    assert handshake.signed and handshake.methods == ("POST",)
    reply = handshake.answer(Probe(post(), {"type": "url_verification", "challenge": "3eZbrw1a"}))
    assert reply is not None
    assert (reply.status, reply.content_type, json.loads(reply.body)) == (
        200,
        "application/json",
        {"challenge": "3eZbrw1a"},
    )
    for body in (
        None,
        [],
        "url_verification",
        {"type": "url_verification"},
        {"type": "url_verification", "challenge": 1},
        {"challenge": "x"},
    ):
        assert handshake.answer(Probe(post(), body)) is None
    form = post(headers={"content-type": URLENCODED})
    assert handshake.answer(Probe(form, {"type": "url_verification", "challenge": "x"})) is None


def test_svix_takes_its_id_from_the_set_that_was_verified() -> None:
    scheme = PROVIDERS["svix"].scheme
    assert isinstance(scheme, HeaderSets)
    assert [f"header:{start}id" for start, _ in scheme.sets] == list(PROVIDERS["svix"].event_id)


@pytest.mark.parametrize("name", [row.name for row in ROWS if row.retry])
def test_which_try_of_the_sender_it_was_is_read(name: str) -> None:
    one = sender(name)
    request = one.request()
    at = compile_locator(str(one.row.retry[0]))
    if at.kind == "header":
        request = replace(request, headers={**request.headers, at.name: "3"})
    else:
        document = json.loads(request.body)
        held = (
            dig(document, one.row.batch.at.split(".") if one.row.batch.at else ())
            if one.row.batch
            else [document]
        )
        for each in held:
            inner = each
            for step in at.path[:-1]:
                inner = inner.setdefault(step, {})
            inner[at.path[-1]] = 3
        request = replace(request, body=json.dumps(document).encode())
    _, events = one.receive(one.sign(request))
    assert {event.sender_retry for event in events} == {3}


def test_static_credentials_are_masked() -> None:
    assert masked_locators(
        PROVIDERS["token"], SharedToken(at=("header:X-Key", "query:token")), None
    ) == {
        *CREDENTIAL_HEADERS,
        "header:x-key",
        "query:token",
    }
    graph = PROVIDERS["msgraph"]
    assert masked_locators(graph, Unsigned(), graph.batch) == {
        *CREDENTIAL_HEADERS,
        "body:value.0.clientState",
        "body:clientState",
    }, "insecure or not"
    for row in ROWS:
        scheme = row.scheme or PROVIDERS["basic"].scheme or SharedToken()
        assert {*CREDENTIAL_HEADERS, *scheme.credentials} <= masked_locators(row, scheme, row.batch)


@pytest.mark.parametrize(
    ("name", "secret", "says"),
    [
        ("github", "x", None),
        ("github", "", "empty"),
        ("stripe", "whsec_not base64!", None),
        ("svix", "whsec_!", "base64"),
        ("svix", "whsec_", "no key"),
        ("standard_webhooks", "whpk_AAAA", "32 byte"),
        ("token", " ", "empty"),
        ("basic", "user", "user:password"),
        ("form", "", None),
    ],
)
def test_unusable_secret_is_explained_and_not_quoted(
    name: str, secret: str, says: str | None
) -> None:
    scheme = PROVIDERS[name].scheme
    assert scheme is not None
    problem = scheme.secret_problem(secret)
    assert (problem is None) if says is None else (says in str(problem))
    assert not secret.strip() or secret not in str(problem) or name == "basic"
