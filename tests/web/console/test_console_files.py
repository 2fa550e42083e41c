"""Files that are several things at once: each is downloaded, none is shown or run."""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin_client import lift_rates
from console_client import SECRET_KEY, ConsoleClient
from forms import HTML, MULTIPART, PDF, PNG, SVG, multipart, part
from werkzeug.test import TestResponse

from bridge.config.loader import load
from bridge.core.file_links import file_link
from bridge.core.file_types import DOWNLOAD_MEDIA_TYPES
from bridge.core.model import Event
from bridge.core.scopes import Scope
from bridge.services.access_tokens import create_token
from bridge.store.db.database import Database
from bridge.store.queries import events
from bridge.store.queries.filters import Filters
from bridge.system.previews.render import can_render

ROUTES = """
version: 1
platforms: {local: {type: local}}
sources:
  anything: {provider: form, rate: 1000/min and 1000/min per address, files: {types: any}}
  usual: {provider: form, rate: 1000/min and 1000/min per address, files: true}
routes: []
"""
SCRIPT = b"<script>alert(document.domain)</script>"
JPEG = b"\xff\xd8\xff\xe0\x2f\x2aJFIF\x00\x01\x01\x01\x00H\x00H\x00\x00"


def jar(first: bytes) -> bytes:
    """An archive behind other bytes, as in GIFAR: programs read an archive from its end."""
    file = io.BytesIO()
    file.write(first)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Main-Class: Evil")
        archive.writestr("index.html", HTML)
    return file.getvalue()


#: The bytes, the name, and whether a form for images, PDF, documents and text accepts them.
POLYGLOTS: dict[str, tuple[bytes, str, bool]] = {
    "GIF and JavaScript": (b"GIF89a/*" + SCRIPT + b"*/=1;alert(1)//", "a.gif", True),
    "GIF and JavaScript, named so": (b"GIF89a/*\0*/=1;alert(1)//", "a.js", False),
    "GIF and an archive": (jar(b"GIF89a" + bytes(20)), "a.gif", True),
    "GIF and an archive, named so": (jar(b"GIF89a" + bytes(20)), "a.jar", False),
    "JPEG and JavaScript": (JPEG + b"*/=alert(1)/*" + b"\xff\xd9", "a.jpg", True),
    "JPEG and HTML": (JPEG + HTML + b"\xff\xd9", "a.html", False),
    "PNG and HTML": (PNG + b"tEXt" + HTML, "a.png", True),
    "PNG and PHP": (PNG + b"<?php system($_GET[0]) ?>", "a.php.png", True),
    "PDF and HTML": (PDF + HTML, "a.pdf", True),
    "PDF and HTML, named so": (PDF + HTML, "a.xhtml", False),
    "HTML and PDF": (HTML + PDF, "a.pdf", False),
    "text and PDF": (b"hello\n%PDF-1.7\n", "a.pdf", True),
    "SVG": (SVG, "a.png", False),
    "SVG behind a comment": (b"<!--" + b"x" * 5000 + b"-->" + SVG, "a.txt", False),
    "SVG behind blanks": (b" \n" * 1000 + SVG, "a.txt", False),
    "XML with a style sheet": (b"<?xml-stylesheet href='data:text/xsl,x'?><a/>", "a.xml", False),
    "HTML behind text": (b"hello " + SCRIPT, "a.txt", True),
    "HTML behind text, named so": (b"hello " + SCRIPT, "a.html", False),
    "HTML behind a null": (b"\0" + HTML, "a.txt", False),
    "HTML in UTF-16": (HTML.decode().encode("utf-16"), "a.txt", False),
    "HTML in UTF-16 without a mark": (HTML.decode().encode("utf-16-le"), "a.txt", False),
    "HTML in UTF-7": (b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-", "a.txt", True),
    "HTML behind a mark": (b"\xef\xbb\xbf" + HTML, "a.csv", False),
    "a batch file": (b"@echo off\r\ncalc.exe", "a.bat", False),
    "an application of HTML": (b"x" + SCRIPT, "a.hta", False),
    "a link": (b"[InternetShortcut]\nURL=file://evil/a", "a.url", False),
    "a program": (b"MZ\x90\0" + HTML, "a.pdf.exe", False),
    "MHTML": (b"MIME-Version: 1.0\nContent-Type: multipart/related\n\n" + HTML, "a.mht", False),
    "a formula": (b"=cmd|'/c calc'!A0,1", "a.csv", True),
    "nothing": (b"", "a.png", True),
}
PREVIEWED = (b"GIF8", b"\xff\xd8\xff", b"\x89PNG", b"%PDF")
#: A name as it was sent, and as no folder and no header is harmed by it.
NAMES = (
    ("../../x/../passwd", "passwd"),
    ("..\\..\\boot.ini", "boot.ini"),
    ("/etc/passwd", "passwd"),
    ("C:\\a:b.txt", "a_b.txt"),
    ("a\r\nSet-Cookie: x=y\r\n\r\n<b>.txt", "aSet-Cookie_ x=y_b_.txt"),
    ('a"; filename=b.html; x=".txt', "a_; filename=b.html; x=_.txt"),
    ("a\u202etxt.exe", "atxt.exe"),
    ("\u2066a\u2069\u200b\ufeff.txt", "a.txt"),
    ("a\x00.html\x00.txt", "a.html.txt"),
    ("a\x1b[31m.txt", "a[31m.txt"),
    ("....", "file"),
    (" . a . ", "a"),
    (".htaccess", "htaccess"),
    ("a.txt.", "a.txt"),
    ("%2e%2e%2fa", "%2e%2e%2fa"),
    ("a" * 1500 + ".txt", "a" * 146 + ".txt"),
    ("=?utf-8?q?a?=.txt", "=_utf-8_q_a_=.txt"),
    ("\U0001f600\u0301.txt", "\U0001f600\u0301.txt"),
    ("\ud83d", "í\xa0½"),  # no UTF-8: it is read as another charset
)


@pytest.fixture
def console(sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConsoleClient:
    lift_rates(monkeypatch)
    path = tmp_path / "forms.yaml"
    path.write_text(ROUTES)
    made = ConsoleClient(sqlite, tmp_path, load(path, {}))
    made.log_in()
    return made


def post(console: ConsoleClient, source: str, body: bytes) -> int:
    headers = {"Content-Type": MULTIPART, "Accept": "application/json"}
    return console.client.post(f"/hooks/{source}", data=body, headers=headers).status_code


def newest(console: ConsoleClient) -> Event:
    return next(iter(events.list_events(console.database, Filters(), 1)))[0]


def downloads(console: ConsoleClient, event: Event) -> Iterator[TestResponse]:
    """Yield the answers of each way to the first file of an event."""
    yield console.get(f"/events/{event.id}/file?number=0")
    yield console.client.get(file_link("", SECRET_KEY, event.id, 0, time.time() + 60))
    name = f"t{time.monotonic_ns()}"
    _, token = create_token(console.database, name, {Scope.BODIES}, None, now=time.time())
    path = f"/admin/v1/events/{event.id}/files/{event.files[0].sha256}"
    yield console.client.get(path, headers={"Authorization": f"Bearer {token}"})


def check_download(answer: TestResponse, content: bytes) -> None:
    assert (answer.status_code, answer.data) == (200, content)
    sent = answer.headers
    assert sent["X-Content-Type-Options"] == "nosniff"
    assert re.fullmatch(r"attachment; filename=[^\r\n]*", sent["Content-Disposition"])
    policy = sent["Content-Security-Policy"]
    assert {*policy.split("; ")} == {"default-src 'none'", "sandbox"}
    assert sent["Cache-Control"] == "no-store"
    assert sent["Content-Type"] in DOWNLOAD_MEDIA_TYPES | {"application/octet-stream"}
    assert "Set-Cookie" not in sent and "X-Injected" not in sent


@pytest.mark.parametrize(("content", "name", "is_usual"), POLYGLOTS.values(), ids=POLYGLOTS)
def test_a_polyglot_is_only_downloaded(
    console: ConsoleClient, content: bytes, name: str, *, is_usual: bool
) -> None:
    body = multipart(part("f", content, name, "text/html"))
    assert (post(console, "usual", body) == 202) is is_usual
    assert post(console, "anything", body) == 202
    event = newest(console)
    assert event.files[0].name == name
    for answer in downloads(console, event):
        with answer:
            check_download(answer, content)


@pytest.mark.usefixtures("new_processes")
@pytest.mark.skipif(not can_render(), reason="the extra `previews` is not installed")
def test_a_preview_of_a_polyglot_has_no_byte_of_it(console: ConsoleClient) -> None:
    for content, name, _ in POLYGLOTS.values():
        if not content.startswith(PREVIEWED):
            continue
        assert post(console, "anything", multipart(part("f", content, name))) == 202
        event = newest(console)
        for path in (
            f"/console/events/{event.id}/file?number=0&preview=1",
            file_link("", SECRET_KEY, event.id, 0, time.time() + 60) + "?preview",
        ):
            answer = console.client.get(path)
            assert answer.status_code in (200, 404), (name, answer.text)
            assert answer.headers["Content-Type"].startswith(("image/png", "application/json"))
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in answer.headers["Content-Security-Policy"]
            assert b"script" not in answer.data and b"alert" not in answer.data


@pytest.mark.parametrize(("sent", "stored"), NAMES, ids=[ascii(one[:30]) for one, _ in NAMES])
def test_a_name_leads_to_no_folder_header_or_code(
    console: ConsoleClient, sent: str, stored: str
) -> None:
    raw = sent.encode("utf-8", "surrogatepass")
    head = b'Content-Disposition: form-data; name="f"; filename="%s"' % raw.replace(
        b'"', b"%22"
    ).replace(b"\r", b"%0D").replace(b"\n", b"%0A")
    boundary = MULTIPART.partition("=")[2].encode()
    body = b"--%s\r\n%s\r\n\r\nhello\r\n--%s--\r\n" % (boundary, head, boundary)
    assert post(console, "anything", body) == 202
    event = newest(console)
    assert event.files[0].name == stored
    for answer in downloads(console, event):
        with answer:
            check_download(answer, b"hello")
    for path in (f"/events/{event.id}", "/forms/anything"):
        html = console.html(path)
        assert "<b>" not in html.replace("<b></b>", "") and "\u202e" not in html
