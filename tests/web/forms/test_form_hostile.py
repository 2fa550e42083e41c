"""Forms and whoever means them harm, over real HTTP: clear answers, memory that stays flat, and
nothing kept of what was refused.
"""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from forms import BOUNDARY, MULTIPART, PDF, PNG, SVG, URLENCODED, multipart, part, zipped
from serving import Answer, Bridge, head, read_answer, tree_of, until

from bridge.core.errors import Refused, StoreError
from bridge.core.timings import TIMINGS
from bridge.store.blobs import SPARE, BlobStore
from bridge.web.receiving import process_resources
from bridge.web.server.http_limits import LINGER_BYTES

MIB = 1024 * 1024
SLOWEST = int(TIMINGS.request_bytes_per_second)
# of the receivers that are hurried; elsewhere it is longer than any machine stands still
READ_TIME = 1.0
ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
  jobs: {provider: form, rate: 100000/min and 100000/min per address, files: {max_size: 2 MiB, max: 3, types: [image, pdf, archive]}}
  plain: {provider: form, rate: 100000/min and 100000/min per address, fields: {nested: true}, max_body: 5 MiB}
"""
LARGEST = 7 * MIB  # three files of 2 MiB, and 1 MiB for fields


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    with Bridge(
        tmp_path_factory.mktemp("hostile"),
        "web",
        routes=ROUTES,
        timings={"request_body_seconds": 600.0},
    ) as bridge:
        # what is loaded late is loaded now
        bridge.post("/hooks/jobs", multipart(part("a", b"1")), {"Content-Type": MULTIPART})
        yield bridge


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    """Receivers for which a body has to come soon."""
    with Bridge(
        tmp_path_factory.mktemp("hurried"),
        "web",
        routes=ROUTES,
        timings={"request_body_seconds": READ_TIME},
    ) as bridge:
        yield bridge


@pytest.fixture(autouse=True)
def nothing_is_kept_and_all_goes_on(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test: nothing was kept of it, no traceback was logged, and the receivers still
    answer.
    """
    web: Bridge = request.getfixturevalue("hurried" if "hurried" in request.fixturenames else "web")
    kept = (web.count(), blobs(web))
    said = len(web.stderr)
    yield
    assert (web.count(), blobs(web)) == kept
    assert web.event().status == 202
    assert "Traceback" not in web.stderr[said:]


def blobs(web: Bridge) -> set[Path]:
    return set((web.folder / "data" / "blobs").rglob("*"))


def memory(web: Bridge) -> int:
    """Return the bytes of anonymous memory of the bridge's processes.

    A page that processes share counts once, also after one of them has ended.
    """
    total = 0
    for pid in tree_of(web.pid):
        with suppress(OSError):  # one that looks at files ends meanwhile
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += 1024 * sum(
                int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")
            )
    return total


def post(
    web: Bridge, source: str, body: bytes, content_type: str = MULTIPART, **headers: str
) -> Answer:
    given = {
        "Content-Type": content_type,
        "Accept": "application/json",
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    return web.post(f"/hooks/{source}", body, given)


# -- too much


def stream(
    web: Bridge,
    total: int,
    *,
    chunked: bool,
    size: int = 64 * 1024,
    pause: float = 0.0,
    seconds: float = 60.0,
) -> tuple[Answer, int]:
    """Send a multipart form of so many bytes, in pieces of a size, until an answer comes; return it
    and how much was sent.
    """
    first = (
        b'--%s\r\nContent-Disposition: form-data; name="cv"; filename="cv.pdf"\r\n\r\n%%PDF-'
        % BOUNDARY.encode()
    )
    headers = {"Content-Type": MULTIPART, "Accept": "application/json"}
    headers |= {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(total)}
    piece = b"x" * size
    sent = 0
    until_ = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", web.port), 60.0) as sock:
        sock.sendall(head("POST", "/hooks/jobs", headers))
        answered = threading.Event()
        answer: list[Answer] = []

        def listen() -> None:
            answer.append(read_answer(sock))
            answered.set()

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            while sent < total and not answered.is_set() and time.monotonic() < until_:
                data = first + piece if not sent else piece
                sock.sendall(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
                sent += len(data)
                answered.wait(pause) if pause else None
        except OSError:
            pass  # it was cut off
        listener.join(60)
    return answer[0], sent


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
def test_a_gigabyte_is_cut_off_as_soon_as_it_is_too_much(web: Bridge, chunked: bool) -> None:
    before = memory(web)
    answer, sent = stream(web, 1024 * MIB, chunked=chunked)
    assert (answer.status, answer.json["error"]) == (413, "too_large")
    assert answer.json["message"] == "The submission is too large."
    assert sent < LARGEST + LINGER_BYTES + 8 * MIB, (
        "what is read on until the answer arrives, and the buffers of sockets"
    )
    assert memory(web) - before < 4 * LARGEST


def test_many_gigabytes_at_once_take_no_more_memory_than_is_allowed(web: Bridge) -> None:
    before = memory(web)
    peak = [0]
    answers = list[Answer]()
    threads = [
        threading.Thread(target=lambda: answers.append(stream(web, 1024 * MIB, chunked=True)[0]))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        peak[0] = max(peak[0], memory(web))
        time.sleep(0.02)
    assert {answer.status for answer in answers} <= {413, 503}
    assert peak[0] - before < 2 * 12 * LARGEST + 32 * MIB
    until(lambda: memory(web) - before < 4 * LARGEST, what="memory that is given back")


def test_who_sends_too_slowly_is_cut_off(hurried: Bridge) -> None:
    started = time.monotonic()
    answer, sent = stream(hurried, 1024 * MIB, chunked=True, size=1024, pause=0.3)
    assert (answer.status, answer.json["error"]) == (400, "cut_short")
    assert READ_TIME <= time.monotonic() - started < READ_TIME + 60 and sent < MIB


def test_who_sends_slowly_but_steadily_has_the_time_for_it(hurried: Bridge) -> None:
    """A large file over a slow line takes longer than a small body may: SLOWEST bytes buy a second,
    each piece here eight.
    """
    body = multipart(part("cv", SVG + b" " * (2 * MIB - 1000), "x.svg"))
    headers = {
        "Content-Type": MULTIPART,
        "Content-Length": str(len(body)),
        "Accept": "application/json",
    }
    started = time.monotonic()
    piece = 8 * SLOWEST
    with socket.create_connection(("127.0.0.1", hurried.port), 60.0) as sock:
        sock.sendall(head("POST", "/hooks/jobs", headers) + body[:piece])
        for place in range(piece, len(body), piece):
            time.sleep(0.2)
            sock.sendall(body[place : place + piece])
        answer = read_answer(sock)
    assert time.monotonic() - started > READ_TIME + 0.4
    assert (answer.status, answer.json["error"]) == (415, "file_type"), "it was read to its end"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (URLENCODED, b"&".join(b"f%d=x" % number for number in range(10_000))),
        (MULTIPART, multipart(*[part(f"f{number}", b"x") for number in range(10_000)])),
        ("text/plain", b"\r\n".join(b"f%d=x" % number for number in range(10_000))),
        (
            "application/json",
            b"{" + b",".join(b'"f%d": 1' % number for number in range(10_000)) + b"}",
        ),
    ],
    ids=["urlencoded", "multipart", "text/plain", "JSON"],
)
def test_ten_thousand_fields_are_413(web: Bridge, content_type: str, body: bytes) -> None:
    answer = post(web, "plain", body, content_type)
    assert (answer.status, answer.json["error"]) == (413, "too_many_fields")
    assert "At most 1000" in answer.json["message"]


@pytest.mark.parametrize(
    "name",
    ["a" + "[b]" * 1000, "a" + "[b]" * 60, "a[" * 60, "a" + "[]" * 60],
    ids=["a thousand", "sixty", "never closed", "lists"],
)
def test_names_that_nest_without_end(web: Bridge, name: str) -> None:
    answer = post(web, "plain", f"{name}=".encode(), URLENCODED)
    assert answer.status == 422 and len(answer.body) < 500


# -- what it is made of


#: Else its share of common pages would fall to this bridge.
UNDISTURBED = "a round in which no process beside these ends"


@pytest.mark.usefixtures("slow")
def test_what_is_compressed_is_never_unpacked(web: Bridge) -> None:
    bomb = gzip.compress(b"a=" + b"0" * (100 * MIB))

    def grown() -> int:
        before = memory(web)
        for encoding in ("gzip", "x-gzip", "deflate", "br", "gzip, gzip", "identity, gzip"):
            for content_type in (URLENCODED, MULTIPART, "application/json"):
                answer = post(web, "jobs", bomb, content_type, Content_Encoding=encoding)
                assert (answer.status, answer.json["error"]) == (415, "encoded")
        assert post(web, "jobs", bomb, URLENCODED, Transfer_Encoding="gzip").status in (400, 501)
        return memory(web) - before

    until(lambda: grown() < 10 * MIB, what=UNDISTURBED)


def test_an_archive_is_a_file_like_any_other(web: Bridge) -> None:
    """What is in it is not looked at, however much it would become."""
    bomb = zipped([f"{'deep/' * 50}{number}" for number in range(2000)])
    body = multipart(part("a", bomb, "bomb.docx"), part("b", SVG, "refused.svg"))

    def grown() -> int:
        before = memory(web)
        answer = post(web, "jobs", body)
        assert (answer.status, set(answer.json["fields"])) == (415, {"a", "b"}), "no .docx at all"
        return memory(web) - before

    until(lambda: grown() < 10 * MIB, what=UNDISTURBED)


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("x.svg", SVG),
        ("x.png", SVG),
        ("x.html", b"<script>alert(1)</script>"),
        ("x.pdf", b"<!doctype html><script>alert(1)</script>"),
        ("x.png.exe", PNG),
        ("x.exe", b"MZ\x90\0"),
        ("../../../data/x.svg", SVG),
        ("C:\\x.svg", SVG),
        ("a\0.svg", SVG),
        ("cv\u202egnp.svg", SVG),
        ("a\r\nX-Injected: 1\r\n\r\n.svg", SVG),
        ("<script>alert(1)</script>.svg", SVG),
    ],
)
def test_what_could_be_run_is_415_and_its_name_harms_nobody(
    web: Bridge, filename: str, content: bytes
) -> None:
    body = multipart(part("cv", content, filename, "image/png"))
    answer = post(web, "jobs", body)
    assert (answer.status, list(answer.json["fields"])) == (415, ["cv"])
    page = web.post("/hooks/jobs", body, {"Content-Type": MULTIPART, "Accept": "text/html"})
    assert page.status == 415 and b"<script>alert(1)" not in page.body
    for one in (answer, page):
        assert "x-injected" not in one.headers
        assert (
            "\u202e" not in one.body.decode()
            and "\0" not in one.body.decode()
            and "..\\/" not in one.body.decode()
        )


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        (f"{URLENCODED}; charset=utf-7", b"a=+ADw-script+AD4-", 415),
        (f"{URLENCODED}; charset=unicode_escape", b"a=%5Cx3c", 415),
        (URLENCODED, b"_charset_=zip&a=1", 415),
        (f"{URLENCODED}; charset=utf-8", b"a=%c3%28", 400),
        (f"{URLENCODED}; charset=utf-8", b"a=%ed%a0%80", 400),
        (MULTIPART, multipart(part("_charset_", b"utf-8"), part("a", b"\xc0\xaf")), 400),
        (MULTIPART, multipart(part("a", b"\x81")), 400),
        ("multipart/form-data", multipart(part("a", b"1")), 400),
        ("multipart/form-data; boundary=", multipart(part("a", b"1")), 400),
        ("multipart/form-data; boundary=" + "x" * 5000, b"--" + b"x" * 5000 + b"--", 400),
        ("multipart/form-data; boundary=\xff\xfe", b"--\xff\xfe--", 400),
        (MULTIPART, multipart(part("cv", PDF, "cv.pdf"))[: -1 - len(BOUNDARY)], 400),
        (MULTIPART, multipart(part("cv", PDF, "cv.pdf"))[:60], 400),
        (MULTIPART, b"--%s\r\nA: %s" % (BOUNDARY.encode(), b"x" * 100_000), 400),
        (MULTIPART, b"\r\n" * 500_000, 400),
        ("application/json", b'{"a":' * 5000, 400),
        ("application/json", b'{"a": [' + b"{}," * 60_000 + b"{}]}", 400),
        ("application/json", b'{"a": "\\ud800"}', 400),
        ("text/html", b"a=1", 415),
        ("multipart/mixed; boundary=b", b"--b--", 415),
    ],
)
def test_what_is_malformed_is_refused_clearly(
    web: Bridge, content_type: str, body: bytes, status: int
) -> None:
    answer = post(web, "jobs", body, content_type)
    assert (answer.status, answer.json["ok"]) == (status, False)
    assert (
        answer.json["error"] in ("unreadable", "unknown_charset", "unknown_type")
        and answer.json["message"]
    )


@pytest.mark.usefixtures("new_processes")
def test_a_disk_that_is_nearly_full_takes_no_more_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = process_resources.make_file_storer(BlobStore(tmp_path / "blobs"))
    monkeypatch.setattr(BlobStore, "free_bytes", lambda _: SPARE)
    with pytest.raises(Refused) as refused:
        keep(memoryview(PDF))
    assert (refused.value.status, refused.value.code) == (507, "disk_full")
    monkeypatch.setattr(BlobStore, "free_bytes", lambda _: 2 * SPARE)
    (tmp_path / "blobs").write_text("a file instead of the folder")
    with pytest.raises(StoreError, match="could not be stored"):
        keep(memoryview(PDF))
