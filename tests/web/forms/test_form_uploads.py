"""Forms with files through a whole bridge: a local flow, Gumloop's API and a URL at the other end,
and links that are downloaded.
"""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests
from forms import HTML, MULTIPART, PDF, PNG, SVG, URLENCODED, multipart, part
from servers import FakePlatform, Misbehaving, respond
from serving import Answer, Bridge, exchange, head, until

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.core.errors import ConfigError, SettingsError
from bridge.core.file_links import FILES_PATH, file_link
from bridge.delivery.file_transfer import uploaded_name
from bridge.runtime.loaded_config import load_config
from bridge.store.blobs import BlobStore
from bridge.store.inbound import events
from bridge.store.operations.replay import ReplayHandler

KEY = "k" * 32
FLOWS = """
from bridge.flows import File, flow

@flow
def read_cv(name: str, cv: File) -> dict:
    return {"name": name, "called": cv.name, "size": cv.size, "begins": cv.read_bytes()[:8].decode("latin-1")}
"""
ROUTES = """
version: 1
platforms:
  local: {type: local, flows: flows.py}
  gumloop: {type: gumloop, api_key: fake-key, user_id: fake-user, base_url: "GUMLOOP"}
  inline: {type: http, url: "HTTP/inline"}
  linked: {type: http, url: "HTTP/linked", files: link, file_links: 1h}
sources:
  jobs: {provider: form, rate: 10000/min and 10000/min per address, files: true}
  anything: {provider: form, rate: 10000/min and 10000/min per address, files: {types: any}}
  little: {provider: form, rate: 10000/min and 10000/min per address, files: {types: any, max_size: 1 MiB, keep: 1 MiB}}
  closed: {provider: form, rate: 10000/min and 10000/min per address}
  cards:
    provider: form
    rate: 10000/min and 10000/min per address
    schema: {type: object, required: [card], properties: {card: {type: string, format: binary}, age: {type: integer}}}
routes:
  - {name: read, on: jobs, inputs: {name: "${form.name}", cv: "${form.cv}"}, flow: local/read_cv}
  - {name: ask, on: jobs, inputs: {cv: "${files[0]}", names: "${files[].name}", all: "${files}"}, flow: gumloop/q3da}
  - {name: inline, on: jobs, flow: inline/x}
  - {name: linked, on: jobs, inputs: {cv: "${files[?field == 'cv'] | [0]}"}, flow: linked/x}
  - {name: any, on: anything, flow: linked/x}
  - {name: cards, on: cards, inputs: {card: "${form.card.name}", age: "${form.age}"}, flow: local/echo}
"""


@dataclass
class Ends:
    bridge: Bridge
    gumloop: FakePlatform
    http: Misbehaving

    def post(
        self, source: str, body: bytes, content_type: str = MULTIPART, **headers: str
    ) -> Answer:
        given = {"Content-Type": content_type, "Accept": "application/json", **headers}
        return self.bridge.post(f"/hooks/{source}", body, given)

    def received(self, path: str) -> list[Any]:
        return [json.loads(one.body) for one in self.http.received if one.path == path]

    @property
    def blobs(self) -> BlobStore:
        return BlobStore(self.bridge.folder / "data" / "blobs")


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Ends]:
    folder = tmp_path_factory.mktemp("uploads")
    (folder / "flows.py").write_text(FLOWS)
    with FakePlatform(run_seconds=0.05) as gumloop, Misbehaving() as http:
        http.script("/inline", respond(200))
        http.script("/linked", respond(200))
        routes = ROUTES.replace("GUMLOOP", gumloop.base_url).replace("HTTP", http.url)
        # a proxy that names no client: no network has a share
        environ = {"FLOWBRIDGE_SECRET_KEY": KEY, "FLOWBRIDGE_TRUSTED_PROXIES": "127.0.0.1"}
        bridge = Bridge(folder, routes=routes, environ=environ)
        bridge.environ["FLOWBRIDGE_PUBLIC_URL"] = f"http://127.0.0.1:{bridge.port}"
        with bridge:
            yield Ends(bridge, gumloop, http)


@pytest.fixture(scope="module")
def sent(ends: Ends) -> Any:
    """A form with a file that has gone to all its flows, sent as a library sends it."""
    url = f"http://127.0.0.1:{ends.bridge.port}/hooks/jobs"
    files = {"cv": ("../My CV.pdf", PDF, "text/html")}
    answer = requests.post(
        url, data={"name": "Zoë"}, files=files, headers={"Accept": "application/json"}, timeout=60
    )
    assert answer.status_code == 202, answer.text
    event_id = answer.json()["event_id"]

    def gone() -> Any:
        found = events.deliveries_of(ends.bridge.database, [event_id])[event_id]
        return found if len(found) == 4 and all(one.finished_at for one in found) else None

    until(gone, what="all deliveries")
    return ends.bridge.found(event_id)


def delivery(sent: Any, route: str) -> Any:
    return next(one for one in sent.deliveries if one.route == route)


def test_the_event_has_the_file_beside_it_and_its_body_without_it(ends: Ends, sent: Any) -> None:
    (file,) = sent.event.files
    assert (file.field, file.name, file.type, file.size) == (
        "cv",
        "My CV.pdf",
        "application/pdf",
        len(PDF),
    )
    assert file.sha256 == sha256(PDF).hexdigest() and ends.blobs.read(file.sha256) == PDF
    assert (
        PDF not in sent.event.body
        and "Zoë".encode() in sent.event.body
        and file.sha256.encode() in sent.event.body
    )


def test_blobs_are_for_their_owner_alone(ends: Ends, sent: Any) -> None:
    path = ends.blobs.path(sent.event.files[0].sha256)
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700


def test_a_local_flow_reads_the_file(sent: Any) -> None:
    run = delivery(sent, "read")
    assert (run.run_state, run.outputs["name"], run.outputs["size"], run.outputs["begins"]) == (
        "done",
        "Zoë",
        len(PDF),
        "%PDF-1.7",
    )
    assert (
        run.outputs["called"]
        == uploaded_name(sent.event.id, 0, sent.event.files[0])
        == f"{sent.event.id}-1-My CV.pdf"
    )


def test_gumloop_is_uploaded_the_file_once_and_started_with_its_name(ends: Ends, sent: Any) -> None:
    name = uploaded_name(sent.event.id, 0, sent.event.files[0])
    start = ends.gumloop.accepted[0].json
    assert ends.gumloop.uploads == [(name, PDF)]
    assert (start["cv"], start["all"], start["names"]) == (name, [name], ["My CV.pdf"])


def test_a_url_gets_the_bytes_or_a_link(ends: Ends, sent: Any) -> None:
    (inline,) = ends.received("/inline")
    assert (inline["name"], base64.b64decode(inline["cv"]["content"]), inline["cv"]["type"]) == (
        "Zoë",
        PDF,
        "application/pdf",
    )
    linked = ends.received("/linked")[0]["cv"]
    assert "content" not in linked and linked["url"].startswith(
        f"http://127.0.0.1:{ends.bridge.port}{FILES_PATH}"
    )
    answer = requests.get(linked["url"], timeout=60)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (
        200,
        PDF,
        "application/pdf",
    )
    assert (
        answer.headers["content-disposition"]
        == "attachment; filename=\"My CV.pdf\"; filename*=UTF-8''My%20CV.pdf"
    )


def test_the_frozen_inputs_have_no_bytes(sent: Any) -> None:
    for one in sent.deliveries:
        assert base64.b64encode(PDF).decode()[:20] not in json.dumps(one.inputs)
    assert delivery(sent, "read").inputs["cv"]["sha256"] == sha256(PDF).hexdigest()


def test_what_is_planned_again_is_the_same(ends: Ends, sent: Any) -> None:
    config = load(ends.bridge.config, ends.bridge.environ)
    (planned,) = ReplayHandler(config_of=lambda _: config, nonce="again").prepare(
        ends.bridge.database, [sent.event.id], time.time()
    )
    assert [(one.route, one.inputs) for one in planned.deliveries] == [
        (one.route, one.inputs) for one in sent.deliveries
    ]
    assert not {one.id for one in planned.deliveries} & {one.id for one in sent.deliveries}


# -- downloads


def forged(url: str) -> str:
    """A link with another signature: its first sign is another one, whatever it was."""
    token, dot, signature = url.rpartition(".")
    return f"{token}{dot}{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def download(ends: Ends, name: str, content: bytes) -> Answer:
    """Post a file, and get it by the link that the flow's URL was given."""
    answer = ends.post("anything", multipart(part("f", content, name, "text/html")))
    assert answer.status == 202, answer.body
    (file,) = ends.bridge.found(answer.json["event_id"]).event.files
    url = file_link("", KEY, answer.json["event_id"], 0, time.time() + 60)
    got = ends.bridge.get(url)
    assert (got.status, got.body) == (200, content) and file.size == len(content)
    return got


@pytest.mark.parametrize(
    ("name", "content", "type_"),
    [
        ("a.svg", SVG, "application/octet-stream"),
        ("a.html", HTML, "application/octet-stream"),
        ("a.png", SVG, "application/octet-stream"),
        ("a.txt", HTML, "application/octet-stream"),
        (
            "a.xml",
            b"<?xml version='1.0'?><?xml-stylesheet href='x'?><a/>",
            "application/octet-stream",
        ),
        ("a.js", b"alert(1)", "text/plain"),
        ("a.bin", b"\0\1", "application/octet-stream"),
        ("a.png", PNG, "image/png"),
        ("a.pdf", PDF, "application/pdf"),
        ("empty.txt", b"", "text/plain"),
    ],
)
def test_nothing_is_ever_shown_or_run(ends: Ends, name: str, content: bytes, type_: str) -> None:
    got = download(ends, name, content)
    assert got.headers["content-type"] == type_
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert got.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\r\nX-Injected: 1\r\n\r\n<script>.txt", "aX-Injected_ 1_script_.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\x", "x"),
        ("a\0.txt", "a.txt"),
        ("cv\u202efdp.exe", "cvfdp.exe"),
        ('a";filename=b.html', "a__filename_b.html"),
        ("Zoë.txt", "Zo_.txt"),
    ],
)
def test_no_name_breaks_out_of_its_header_or_folder(ends: Ends, name: str, shown: str) -> None:
    got = download(ends, name, b"x")
    assert got.headers["content-disposition"].startswith(
        f'attachment; filename="{shown}"; filename*='
    )
    assert "x-injected" not in got.headers
    outside = [
        path for path in ends.bridge.folder.rglob("*") if path.name in ("passwd", "x", "a.txt")
    ]
    assert outside == []


def test_a_link_that_is_forged_expired_or_of_nothing_is_404(ends: Ends, sent: Any) -> None:
    good = file_link("", KEY, sent.event.id, 0, time.time() + 60)
    assert ends.bridge.get(good).status == 200
    for bad in (
        forged(good),
        file_link("", KEY, sent.event.id, 0, time.time() - 1),
        file_link("", "x" * 32, sent.event.id, 0, time.time() + 60),
        file_link("", KEY, sent.event.id, 1, time.time() + 60),
        file_link("", KEY, "evt_unknown", 0, time.time() + 60),
        FILES_PATH + "x",
        FILES_PATH + "..%2f..%2fetc%2fpasswd",
        FILES_PATH + "%00",
    ):
        answer = ends.bridge.get(bad)
        assert (answer.status, "passwd" in answer.body.decode()) == (404, False), bad
    assert ends.bridge.post(good, b"").status == 405
    assert exchange(ends.bridge.port, head("HEAD", good, {"Connection": "close"})).status == 200


def test_a_file_whose_bytes_are_gone_is_404(ends: Ends) -> None:
    answer = ends.post("anything", multipart(part("f", b"soon gone", "a.txt")))
    ends.blobs.path(sha256(b"soon gone").hexdigest()).unlink()
    assert (
        ends.bridge.get(file_link("", KEY, answer.json["event_id"], 0, time.time() + 60)).status
        == 404
    )


# -- what is refused keeps nothing


def test_what_is_refused_leaves_no_blob_and_no_event(ends: Ends) -> None:
    before = ends.bridge.count(), set(ends.blobs.folder.rglob("*"))
    for source, body, status in (
        ("jobs", multipart(part("cv", SVG, "a.svg")), 415),
        ("jobs", multipart(part("cv", b"MZ\0never kept", "cv.pdf")), 415),
        ("jobs", multipart(*[part("cv", PDF + b"%d" % n, "cv.pdf") for n in range(6)]), 413),
        ("closed", multipart(part("name", b"Ann"), part("cv", PDF, "cv.pdf")), 415),
        ("cards", multipart(part("card", PNG + b"new", "a.png"), part("age", b"x")), 422),
        ("jobs", multipart(part("cv", PDF + b"cut short", "cv.pdf"))[:-10], 400),
    ):
        answer = ends.post(source, body)
        assert answer.status == status, answer.body
    assert (ends.bridge.count(), set(ends.blobs.folder.rglob("*"))) == before


def test_a_schema_with_a_file_opens_the_form_for_files(ends: Ends) -> None:
    answer = ends.post("cards", multipart(part("age", b"7"), part("card", PNG, "me.png")))
    one = ends.bridge.wait_for(answer.json["event_id"], lambda one: one.finished_at)
    assert one.outputs == {"card": "me.png", "age": 7}
    assert (
        ends.post("cards", b"age=7&card=me.png", URLENCODED)
        .json["fields"]["card"]
        .startswith("Please select a file")
    )


def test_the_default_for_forms_hands_over_files_too(ends: Ends, sent: Any) -> None:
    assert delivery(sent, "inline").inputs == {
        "name": "Zoë",
        "cv": delivery(sent, "read").inputs["cv"],
    }


def test_a_preview_is_a_picture_and_no_byte_of_the_file(ends: Ends) -> None:
    image = pytest.importorskip("PIL.Image", reason="the extra previews is not installed")
    written = io.BytesIO()
    image.new("RGB", (900, 300), (200, 0, 0)).save(written, "JPEG", comment=b"of Ann")
    event_id = ends.post(
        "anything", multipart(part("f", written.getvalue(), "me.jpg"), part("f", SVG, "me.svg"))
    ).json["event_id"]
    photo, drawing = (file_link("", KEY, event_id, number, time.time() + 60) for number in range(2))
    shown = ends.bridge.get(f"{photo}?preview")
    assert (shown.status, shown.headers["content-type"]) == (
        200,
        "image/png",
    ) and b"Ann" not in shown.body
    assert image.open(io.BytesIO(shown.body)).size == (512, 171)
    assert (shown.headers["x-content-type-options"], shown.headers["content-security-policy"]) == (
        "nosniff",
        "default-src 'none'; sandbox",
    )
    none = ends.bridge.get(f"{drawing}?preview")
    assert (none.status, none.json["error"]) == (404, "no_preview")
    assert none.headers["content-security-policy"] == shown.headers["content-security-policy"]
    assert ends.bridge.get(f"{forged(photo)}?preview").json["error"] == "not_found"


def test_a_link_needs_the_url_of_the_bridge(tmp_path: Path) -> None:
    (tmp_path / "routes.yaml").write_text(
        'version: 1\nplatforms:\n  crm: {type: http, url: "http://127.0.0.1:1/", files: link}\n'
    )
    environ = {"FLOWBRIDGE_DATA": str(tmp_path), "FLOWBRIDGE_CONFIG": str(tmp_path / "routes.yaml")}
    with pytest.raises(SettingsError, match="FLOWBRIDGE_PUBLIC_URL"):
        load_config(load_settings(environ))
    assert (
        load_config(load_settings(environ | {"FLOWBRIDGE_PUBLIC_URL": "https://hooks.example.com"}))
        .config.platforms["crm"]
        .files
        == "link"
    )
    of = "version: 1\nplatforms: {local: {type: local}}\nsources: {jobs: {provider: PROVIDER}}\n"
    routes = (
        of + 'routes: [{name: tell, on: jobs, inputs: {text: ["See ${file_url(form.cv)}"]}, flow:'
        " local/echo}]\n"
    )
    (tmp_path / "routes.yaml").write_text(routes.replace("PROVIDER", "form"))
    with pytest.raises(
        SettingsError,
        match=r"route 'tell' has links to files in its inputs .*FLOWBRIDGE_PUBLIC_URL",
    ):
        load_config(load_settings(environ))
    assert (
        load_config(load_settings(environ | {"FLOWBRIDGE_PUBLIC_URL": "https://hooks.example.com"}))
        .config.routes[0]
        .links_files
    )
    (tmp_path / "routes.yaml").write_text(routes.replace("PROVIDER", f"github, secret: {KEY}"))
    with pytest.raises(
        ConfigError,
        match=(
            r"routes\[tell\]\.inputs: only files of forms have links .*, and the provider of jobs"
            r" is github"
        ),
    ):
        load_config(load_settings(environ))


def test_a_form_keeps_no_more_files_than_its_source_says(ends: Ends) -> None:
    def send(content: bytes, **headers: str) -> Answer:
        return ends.post(
            "little", multipart(part("name", b"Zo\xc3\xab"), part("f", content, "a.bin")), **headers
        )

    first = b"\x00" * 700_000
    more = b"\x01" * 400_000
    assert send(first).status == 202
    refused = send(more, **{"Accept-Language": "de"})
    assert (refused.status, refused.json["error"]) == (507, "files_full")
    assert refused.json["message"].startswith(
        "Dieses Formular kann gerade keine weiteren Dateien annehmen."
    )
    assert not ends.blobs.path(sha256(more).hexdigest()).exists(), "nothing of it was written"
    page = send(more, Accept="text/html", **{"Accept-Language": "fr"})
    assert (
        page.status == 507
        and "ne peut plus accepter de fichiers" in page.body.decode()
        and "Zoë" in page.body.decode()
    )
    assert send(first).status == 202, "what only repeats another takes no room"
    assert ends.post("little", multipart(part("name", b"x"))).status == 202
    assert send(b"\x02" * 300_000).status == 202, "what fits is taken"
