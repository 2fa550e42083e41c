"""A form's files on their way to a platform: uploaded once, sent in Base64 or as a link, and only
where they are the event's own.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from forms import PDF, PNG
from hypothesis import given
from hypothesis import strategies as st
from records import make_delivery, make_event
from servers import FakePlatform, Misbehaving, drop, respond
from serving import until
from worker_bench import QUICK, attempts, configured, get, gumloop, is_in, wait, working

from bridge.config.settings import load_settings
from bridge.core.file_links import FILES_PATH, file_link, read_file_token
from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.model import Delivery, Event, FormFile, Retry, Status
from bridge.core.status import Outcome, OutcomeKind
from bridge.delivery.attempt import deliver
from bridge.delivery.file_transfer import (
    FileTransfer,
    find_referenced_files,
    link_expiry,
    may_refer_to_files,
    uploaded_name,
)
from bridge.delivery.platforms import gumloop as gumloop_platform
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.routing.expressions.compile import compile_expression
from bridge.routing.model import Platform
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queue import claims
from bridge.store.queue.claim_round import ClaimLimits
from bridge.system.boot_clock import limit_calls
from bridge.system.http_client import HttpClient
from bridge.worker import form_files
from bridge.worker.celery.tasks import TaskRunner
from bridge.worker.form_files import FileDeliverer, UploadCache

pytestmark = [pytest.mark.timings(**QUICK), pytest.mark.usefixtures("quick_polling")]
NOW = 1_764_000_000.0
CV = FormFile(
    field="cv", name="cv.pdf", type="application/pdf", size=len(PDF), sha256=sha256(PDF).hexdigest()
)
PHOTO = FormFile(
    field="photo", name="me.png", type="image/png", size=len(PNG), sha256=sha256(PNG).hexdigest()
)
CONTENTS = {CV.sha256: PDF, PHOTO.sha256: PNG}
EVENT = make_event("1", files=(CV, PHOTO))


def http(url: str = "https://crm.example.com/in", **more: Any) -> Platform:
    return Platform(name="crm", type="http", base_url=url, **more)


def delivery(inputs: Any, **more: Any) -> Delivery:
    return make_delivery(EVENT, inputs=inputs, **more)


class Sent:
    """Answers calls as told, and remembers them."""

    def __init__(self, *answers: Answer | NoAnswer) -> None:
        self.answers = list(answers)
        self.calls = list[Call]()

    def __call__(self, call: Call) -> Answer | NoAnswer:
        self.calls.append(call)
        return self.answers.pop(0) if self.answers else ok({"run_id": "r1"})

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(call.body) for call in self.calls]


def ok(value: Any) -> Answer:
    return Answer(status=200, body=json.dumps(value).encode())


def hands(one: Delivery, **more: Any) -> FileTransfer:
    given_: dict[str, Any] = {
        "files": find_referenced_files(one.inputs, EVENT.files),
        "content": lambda file: CONTENTS.get(file.sha256),
        "link": lambda event_id, number, until: (
            f"https://hooks.example.com/files/{event_id}.{number}.{until:g}"
        ),
        "left": lambda: 10.0,
        "uploaded": {},
    }
    return FileTransfer(**given_ | more)


# -- what is replaced


def test_on_gumloop_a_file_is_uploaded_and_the_input_is_its_name() -> None:
    one = delivery(
        {
            "cv": asdict(CV),
            "all": [asdict(CV), asdict(PHOTO)],
            "name": "Ann",
            "called": CV.name,
            "deep": {"x": [asdict(PHOTO)]},
        }
    )
    send = Sent(
        ok({"success": True, "file_name": "their-name.pdf"}),
        ok({"success": True, "file_name": "me.png"}),
    )
    outcome = deliver(one, gumloop(url="https://api.example.com/v1"), send, NOW, hands(one))
    assert (outcome.kind, outcome.run_id) == (OutcomeKind.STARTED, "r1")
    assert [call.url.rpartition("/")[2] for call in send.calls] == [
        "upload_file",
        "upload_file",
        "start_pipeline",
    ]
    assert send.bodies[0] == {
        "user_id": "fake-user",
        "file_name": f"{EVENT.id}-1-cv.pdf",
        "file_content": base64.b64encode(PDF).decode(),
    }
    start = send.bodies[2]
    assert (start["cv"], start["all"], start["name"], start["called"]) == (
        "their-name.pdf",
        ["their-name.pdf", "me.png"],
        "Ann",
        "cv.pdf",
    )
    assert start["deep"] == {"x": ["me.png"]}


def test_a_whole_body_has_the_names_too() -> None:
    one = delivery({"cv": asdict(CV)}, whole_body=True)
    send = Sent(ok({"success": True, "file_name": "x"}))
    deliver(one, gumloop(url="https://api.example.com/v1"), send, NOW, hands(one))
    assert send.bodies[1] == {"cv": "x"}


def test_on_http_a_file_has_its_bytes_or_a_link() -> None:
    one = delivery({"cv": asdict(CV)})
    send = Sent(Answer(status=200), Answer(status=200))
    assert deliver(one, http(), send, NOW, hands(one)).kind is OutcomeKind.STARTED
    assert (
        deliver(one, http(files="link", file_links=3600.0), send, NOW, hands(one)).kind
        is OutcomeKind.STARTED
    )
    inline, linked = (body["cv"] for body in send.bodies)
    assert inline == asdict(CV) | {"content": base64.b64encode(PDF).decode()}
    expires = link_expiry(one.created_at, NOW, 3600.0)
    assert linked["url"] == f"https://hooks.example.com/files/{EVENT.id}.0.{expires:g}" and linked[
        "expires_at"
    ].endswith("Z")
    assert {key: linked[key] for key in asdict(CV)} == asdict(CV) and "content" not in linked


def marked(number: int, event_id: str = EVENT.id) -> str:
    roots = {"event": {"id": event_id, "provider": "form"}, "files": [asdict(CV), asdict(PHOTO)]}
    return str(compile_expression(f"file_url(files[{number}])")(roots))


@pytest.mark.parametrize(
    "platform",
    [http(), http(files="link"), gumloop(url="https://api.example.com/v1")],
    ids=["inline", "link", "gumloop"],
)
def test_a_mark_is_a_link_wherever_it_stands_and_nothing_is_uploaded_for_it(
    platform: Platform,
) -> None:
    one = delivery(
        {
            "text": f"CV: {marked(0)}, photo: {marked(1)}1",
            "all": [{"deep": marked(1)}],
            "name": "Ann",
        }
    )
    assert may_refer_to_files(one.inputs) and find_referenced_files(one.inputs, EVENT.files) == {}
    send = Sent(ok({"run_id": "r"}))
    assert (
        deliver(one, replace(platform, file_links=3600.0), send, NOW, hands(one)).kind
        is OutcomeKind.STARTED
    )
    expires = link_expiry(one.created_at, NOW, 3600.0)
    url = lambda number: f"https://hooks.example.com/files/{EVENT.id}.{number}.{expires:g}"  # noqa: E731
    (sent,) = send.bodies
    assert (sent["text"], sent["all"], sent["name"]) == (
        f"CV: {url(0)}, photo: {url(1)}1",
        [{"deep": url(1)}],
        "Ann",
    )


def test_a_later_call_has_a_link_that_works_as_long() -> None:
    one = delivery({"cv": marked(0)}, created_at=NOW)
    send = Sent(Answer(status=200), Answer(status=200))
    for now in (NOW, NOW + 86400.0):
        deliver(
            one,
            http(file_links=3600.0),
            send,
            now,
            hands(one, link=lambda _event_id, _number, until: f"{until:.0f}"),
        )
    first, second = (float(sent["cv"]) for sent in send.bodies)
    assert NOW + 3600 <= first <= NOW + 5400 and NOW + 90000 <= second <= NOW + 91800


def test_a_mark_of_another_event_stays_what_it_is_and_none_goes_without_a_url() -> None:
    strange = [marked(0, make_event("2").id), "flowbridge-file:evt_x/00", "flowbridge-file:"]
    one = delivery({"text": strange})
    send = Sent(Answer(status=200))
    assert (
        deliver(one, http(), send, NOW, hands(one)).kind is OutcomeKind.STARTED
        and send.bodies[0]["text"] == strange
    )
    refused = deliver(delivery({"cv": marked(0)}), http(), send, NOW, hands(one, link=None))
    assert (
        refused.kind is OutcomeKind.REFUSED
        and "FLOWBRIDGE_PUBLIC_URL" in (refused.detail or "")
        and len(send.calls) == 1
    )


def test_an_object_that_looks_like_a_file_of_another_event_stays_what_it_is() -> None:
    """Whoever posts JSON can write such an object; it must not bring them anybody's file."""
    strange = asdict(replace(CV, sha256="0" * 64))
    typed = asdict(CV) | {"size": str(CV.size)}
    one = delivery(
        {
            "a": strange,
            "b": typed,
            "c": asdict(CV) | {"more": 1},
            "d": {"sha256": CV.sha256},
            "e": asdict(PHOTO),
        }
    )
    assert may_refer_to_files(one.inputs) and find_referenced_files(one.inputs, EVENT.files) == {
        1: PHOTO
    }
    send = Sent(Answer(status=200))
    deliver(one, http(), send, NOW, hands(one))
    sent = send.bodies[0]
    assert (sent["a"], sent["b"], sent["c"], sent["d"]) == (
        strange,
        typed,
        asdict(CV) | {"more": 1},
        {"sha256": CV.sha256},
    )
    assert "content" in sent["e"]


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(), one, max_size=5),
    )
)
def test_inputs_without_files_are_never_touched(inputs: Any) -> None:
    assert not may_refer_to_files(inputs)
    assert find_referenced_files(inputs, EVENT.files) == {}


# -- what goes wrong


@pytest.mark.parametrize(
    ("answer", "kind", "ours"),
    [
        (NoAnswer("no connection", sent=False), OutcomeKind.REFUSED, False),
        (NoAnswer("no answer within 5 s", sent=True), OutcomeKind.REFUSED, False),
        (Answer(status=500), OutcomeKind.REFUSED, True),
        (Answer(status=408), OutcomeKind.REFUSED, True),
        (Answer(status=429, headers={"retry-after": "7"}), OutcomeKind.REFUSED, True),
        (Answer(status=507, body=b'{"error": "storage_full"}'), OutcomeKind.REFUSED, True),
        (Answer(status=413), OutcomeKind.REJECTED, True),
        (Answer(status=401), OutcomeKind.UNAUTHORIZED, False),
        (Answer(status=403), OutcomeKind.REJECTED, True),
        (Answer(status=302), OutcomeKind.REJECTED, True),
        (Answer(status=200, body=b"<html>"), OutcomeKind.REFUSED, True),
        (ok({"success": False, "file_name": "x"}), OutcomeKind.REFUSED, True),
        (ok({"success": True, "file_name": 7}), OutcomeKind.REFUSED, True),
        (ok({"success": True, "file_name": "a\nb"}), OutcomeKind.REFUSED, True),
    ],
)
def test_an_upload_that_fails_started_nothing(
    answer: Answer | NoAnswer, kind: OutcomeKind, ours: bool
) -> None:
    one = delivery({"cv": asdict(CV)})
    send = Sent(answer)
    outcome = deliver(one, gumloop(url="https://api.example.com/v1"), send, NOW, hands(one))
    assert (outcome.kind, outcome.ours, outcome.run_id, len(send.calls)) == (kind, ours, None, 1)
    assert outcome.detail.startswith("cv.pdf was not uploaded: ")
    assert outcome.retry_after == (
        7.0 if isinstance(answer, Answer) and answer.status == 429 else None
    )


def test_bytes_that_are_not_here_are_said_to_be_missing() -> None:
    for platform in (http(), gumloop(url="https://api.example.com/v1")):
        one = delivery({"cv": asdict(CV)})
        send = Sent()
        outcome = deliver(one, platform, send, NOW, hands(one, content=lambda _: None))
        assert (outcome.kind, outcome.ours, send.calls) == (OutcomeKind.REFUSED, True, [])
        assert "cv.pdf are not in the data folder" in outcome.detail


def test_uploads_and_the_start_share_the_time_of_one_call() -> None:
    one = delivery({"all": [asdict(CV), asdict(PHOTO)]})
    times = iter([10.0, 0.5])
    send = Sent(ok({"success": True, "file_name": "x"}))
    known: dict[tuple[str, str], str] = {}
    outcome = deliver(
        one,
        gumloop(url="https://api.example.com/v1"),
        send,
        NOW,
        hands(one, left=lambda: next(times), uploaded=known),
    )
    assert (outcome.kind, outcome.ours, len(send.calls)) == (OutcomeKind.REFUSED, True, 1)
    assert "timeout" in outcome.detail
    send.answers = [ok({"success": True, "file_name": "y"})]
    assert (
        deliver(
            one, gumloop(url="https://api.example.com/v1"), send, NOW, hands(one, uploaded=known)
        ).kind
        is OutcomeKind.STARTED
    )
    assert [call.url.rpartition("/")[2] for call in send.calls] == [
        "upload_file",
        "upload_file",
        "start_pipeline",
    ], "the first was kept"


def test_a_project_is_said_for_uploads_too() -> None:
    call = gumloop_platform.build_upload(
        gumloop(url="https://api.example.com/v1", project_id="p1"), 'a"b.pdf', b""
    )
    assert json.loads(call.body) == {
        "user_id": "fake-user",
        "file_name": 'a"b.pdf',
        "project_id": "p1",
        "file_content": "",
    }
    assert {name for name, row in PLATFORMS.items() if row.upload} == {"gumloop", "local"}


# -- links


def test_a_link_is_good_for_its_file_until_it_expires_and_nobody_can_make_one() -> None:
    token = file_link("https://hooks.example.com", "k" * 32, "evt_1", 2, NOW + 10).removeprefix(
        f"https://hooks.example.com{FILES_PATH}"
    )
    assert read_file_token(token, "k" * 32, NOW) == ("evt_1", 2)
    assert read_file_token(token, "k" * 32, NOW + 10) is None
    assert read_file_token(token, "x" * 32, NOW) is None and read_file_token(token, "", NOW) is None
    for forged in (
        "",
        "x",
        token[:-1],
        token + "x",
        token.replace(".", "", 1),
        "." + token,
        "a" * 10_000,
        "é",
        "WyJldnRfMSIsMiw5OTk5OTk5OTk5XQ.x",
    ):
        assert read_file_token(forged, "k" * 32, NOW) is None


@given(st.floats(0, 400 * 86400.0), st.floats(60.0, 60 * 86400.0))
def test_a_link_lasts_as_long_as_it_says_and_calls_of_a_delivery_are_alike(
    later: float, lasts: float
) -> None:
    expires = link_expiry(NOW, NOW + later, lasts)
    assert lasts - 1e-3 <= expires - (NOW + later) <= 1.5 * lasts + 1e-3
    assert link_expiry(NOW, NOW, lasts) == link_expiry(NOW, NOW + lasts * 0.49, lasts)


# -- in a worker, with a store and blobs


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for content in CONTENTS.values():
        BlobStore(tmp_path / "data" / "blobs").store(content)
    return tmp_path / "data"


def add(
    database: Database, event: Event, inputs: Any, platform: str = "gumloop", **more: Any
) -> Delivery:
    one = make_delivery(
        event,
        inputs=inputs,
        platform=platform,
        flow=f"{platform}/x",
        now=time.time() - 1,
        retry=Retry(attempts=3, first=0.02, max=0.1),
        **more,
    )
    events.add(database, event, [one], lambda _event, _nonce: [])
    return one


def gone_to(database: Database, delivery_id: str, status: Status) -> Delivery:
    return wait(database, [delivery_id], is_in(status))[0]


@pytest.fixture
def fake() -> Iterator[FakePlatform]:
    with FakePlatform(run_seconds=0.05) as platform:
        yield platform


def test_a_worker_uploads_first_and_each_file_once(
    database: Database, fake: FakePlatform, data: Path
) -> None:
    event = make_event("files", files=(CV, PHOTO))
    fake.faults = [429, 500]  # the starts
    one = add(database, event, {"cv": asdict(CV), "photo": asdict(PHOTO)}, on_unknown="retry")
    with working(database, configured(gumloop(fake)), data=data):
        gone_to(database, one.id, Status.DELIVERED)
    names = [uploaded_name(event.id, 0, CV), uploaded_name(event.id, 1, PHOTO)]
    assert fake.uploads == list(zip(names, (PDF, PNG), strict=True)), (
        "though it was tried three times"
    )
    assert {key: fake.accepted[0].json[key] for key in ("cv", "photo")} == {
        "cv": names[0],
        "photo": names[1],
    }
    assert get(database, one.id).inputs == {
        "cv": asdict(CV),
        "photo": asdict(PHOTO),
    }, "frozen as it was planned"


def test_an_upload_that_fails_is_an_attempt_like_any_other(
    database: Database, fake: FakePlatform, data: Path
) -> None:
    event = make_event("files", files=(CV,))
    fake.upload_faults = [500, "drop"]
    one = add(database, event, {"cv": asdict(CV)})
    with working(database, configured(gumloop(fake)), data=data):
        gone_to(database, one.id, Status.DELIVERED)
    assert [each.outcome for each in attempts(database, one.id)] == [
        "refused",
        "refused",
        "started",
    ]
    assert (len(fake.uploads), len(fake.starts)) == (1, 1)
    fake.upload_faults = [413]
    dead = add(database, make_event("more", files=(PHOTO,)), {"cv": asdict(PHOTO)})
    with working(database, configured(gumloop(fake)), data=data):
        reason = gone_to(database, dead.id, Status.DEAD).reason
    assert reason is not None and reason.startswith("me.png was not uploaded: HTTP 413")
    assert len(fake.starts) == 1


def test_uploads_that_fail_open_no_circuit(
    database: Database, fake: FakePlatform, data: Path
) -> None:
    """What a file meets must not hold up deliveries without one."""
    fake.upload_faults = [507] * 30
    stuck = [
        add(database, make_event(str(n), files=(CV,)), {"cv": asdict(CV)}, route=f"r{n}")
        for n in range(4)
    ]
    with working(database, configured(gumloop(fake)), data=data):
        for one in stuck:
            gone_to(database, one.id, Status.DEAD)
        plain = add(database, make_event("plain"), {"a": 1})
        gone_to(database, plain.id, Status.DELIVERED)


def test_a_file_that_is_gone_from_the_disk(
    sqlite: Database, fake: FakePlatform, tmp_path: Path
) -> None:
    one = add(sqlite, make_event("files", files=(CV,)), {"cv": asdict(CV)})
    with working(sqlite, configured(gumloop(fake)), data=tmp_path / "nothing"):
        reason = gone_to(sqlite, one.id, Status.DEAD).reason
    assert (
        reason == "gave up after 3 attempts: the bytes of cv.pdf are not in the data folder of this"
        " machine"
    )
    assert fake.starts == []


def test_an_http_platform_gets_the_bytes(sqlite: Database, data: Path) -> None:
    with Misbehaving() as server:
        url = server.script("/in", drop, respond(200))
        one = add(
            sqlite,
            make_event("files", files=(CV,)),
            {"cv": asdict(CV)},
            platform="crm",
            on_unknown="retry",
        )
        with working(sqlite, configured(http(url)), data=data):
            gone_to(sqlite, one.id, Status.DELIVERED)
        first, second = (json.loads(each.body) for each in server.received)
    assert first == second, "the same call again has the same body"
    assert base64.b64decode(first["cv"]["content"]) == PDF


def made(data: Path, database: Database) -> FileDeliverer:
    return FileDeliverer(
        load_settings({"FLOWBRIDGE_SECRET_KEY": "k" * 32, "FLOWBRIDGE_DATA": str(data)}), database
    )


def test_no_more_files_are_in_hand_than_there_is_room_for(
    sqlite: Database, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form_files, "MAX_HELD_BYTES", len(PDF) + 10)
    event = make_event("files", files=(CV,))
    one = add(sqlite, event, {"cv": asdict(CV)}, platform="crm")
    files = made(data, sqlite)
    inside = list[int]()
    most = list[int]()
    go_on = threading.Event()

    def slow(_call: Call) -> Answer:
        inside.append(1)
        most.append(len(inside))
        go_on.wait(60.0)
        inside.pop()
        return Answer(status=200)

    threads = [
        threading.Thread(target=files.deliver, args=(one, http(), slow, NOW)) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    until(lambda: inside, what="one that has the room")
    late = files.deliver(one, http(timeout=0.05), slow, NOW)
    go_on.set()
    for thread in threads:
        thread.join()
    assert (late.kind, late.ours, max(most)) == (OutcomeKind.REFUSED, True, 1) and len(most) == 3


def test_a_link_needs_no_room(
    sqlite: Database, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form_files, "MAX_HELD_BYTES", len(PDF))
    event = make_event("files", files=(CV,))
    delivery = add(sqlite, event, {"cv": asdict(CV)}, platform="crm")
    files = made(data, sqlite)
    linked: list[Outcome] = []

    def deliver_link(_call: Call) -> Answer:
        """Deliver a link while the file of another call fills the room."""
        platform = http(timeout=0.05, files="link")
        linked.append(files.deliver(delivery, platform, lambda _: Answer(status=200), NOW))
        return Answer(status=200)

    thread = threading.Thread(target=files.deliver, args=(delivery, http(), deliver_link, NOW))
    thread.start()
    thread.join()
    assert [outcome.detail for outcome in linked] != [
        "the files of other deliveries filled the memory until the call timed out"
    ]
    assert len(linked) == 1


def test_a_store_that_fails_before_the_call_started_nothing(
    sqlite: Database, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge.core.errors import StoreError

    def failing(*_: object) -> None:
        raise StoreError("away")

    monkeypatch.setattr(events, "files_of", failing)
    outcome = made(data, sqlite).deliver(
        delivery({"cv": asdict(CV)}), http(), limit_calls(HttpClient().send, 60.0), NOW
    )
    assert (outcome.kind, outcome.ours) == (OutcomeKind.REFUSED, True)


def test_a_call_that_is_made_elsewhere_hands_files_over_too(
    sqlite: Database, fake: FakePlatform, data: Path
) -> None:
    event = make_event("files", files=(CV,))
    one = add(sqlite, event, {"cv": asdict(CV)})
    calls = TaskRunner(
        lambda: configured(gumloop(fake)), sqlite, HttpClient().send, 60.0, made(data, sqlite)
    )
    allowed = ClaimLimits(caps={"gumloop": 5})
    try:
        [claim] = sqlite.write(
            lambda c: claims.claim(c, allowed, limit=5, now=time.time(), lease="w:1", intents=False)
        )
        assert calls.make_call(one.id, claim.lease)
    finally:
        calls.close()
    assert fake.uploads == [(uploaded_name(event.id, 0, CV), PDF)]
    assert fake.accepted[0].json["cv"] == uploaded_name(event.id, 0, CV)


def test_what_is_remembered_of_uploads_is_bounded_and_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(form_files, "MAX_UPLOADS", 3)
    known = UploadCache(fresh_seconds=60.0)
    for number in range(5):
        known["p", str(number)] = "x"
    assert (
        sorted(name for _, name in known) == ["2", "3", "4"]
        and known.get(("p", "0")) is None
        and known.get(("p", "4")) == "x"
    )
    past = UploadCache(fresh_seconds=-1.0)
    past["p", "9"] = "x"
    assert past.get(("p", "9")) is None
