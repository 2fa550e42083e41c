"""Pictures of files that anybody may have made: drawn apart, small, anew, and nothing but drawn."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from flask import Flask
from forms import SVG
from records import make_event

from bridge.config.settings import load_settings
from bridge.core.file_links import file_link
from bridge.core.file_types import FILE_TYPES
from bridge.core.model import FormFile
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.system import isolated_program, seccomp
from bridge.system.previews import render
from bridge.system.previews.limits import MAX_CPU_SECONDS, MAX_EDGE_PIXELS, MAX_OUTPUT_BYTES
from bridge.system.previews.render import PREVIEW_FORMATS, NoPreview, render_preview
from bridge.web import downloads as web
from bridge.web.downloads import downloads

Image = pytest.importorskip("PIL.Image", reason="the extra previews is not installed")
pdfium = pytest.importorskip("pypdfium2", reason="the extra previews is not installed")
RED = (255, 0, 0)
BLUE = (0, 0, 255)


def image(kind: str, size: tuple[int, int] = (800, 400), mode: str = "RGB", **saved: Any) -> bytes:
    """An image that is red on the left and blue on the right."""
    made = Image.new("RGB", size, RED)
    made.paste(BLUE, (size[0] // 2, 0, *size))
    written = io.BytesIO()
    made.convert(mode).save(written, kind, **saved)
    return written.getvalue()


def seen(picture: bytes) -> Any:
    made = Image.open(io.BytesIO(picture))
    made.load()
    return made


def is_like(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(found, wanted, strict=True))


def pdf(catalog: str = "", page: str = "", more: str = "") -> bytes:
    """A page of 400 by 200 points whose left half is red and whose right half is blue."""
    drawn = "1 0 0 rg 0 0 200 200 re f 0 0 1 rg 200 0 200 200 re f"
    body = (
        f"1 0 obj<</Type/Catalog/Pages 2 0 R {catalog}>>endobj\n2 0 obj<</Type/Pages/Kids[3 0"
        " R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 200]/Contents 4 0"
        f" R {page}>>endobj\n4 0 obj<</Length {len(drawn)}>>stream\n{drawn}\nendstream"
        f" endobj\n{more}\ntrailer<</Root 1 0 R>>\n%%EOF"
    )
    return f"%PDF-1.7\n{body}".encode()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


# -- what is drawn


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(
    ("content", "media"),
    [
        (image("PNG"), "image/png"),
        (image("JPEG", mode="CMYK"), "image/jpeg"),
        (image("MPO", save_all=True, append_images=[Image.new("RGB", (80, 40))]), "image/jpeg"),
        (image("GIF", save_all=True, append_images=[Image.new("RGB", (800, 400))]), "image/gif"),
        (image("WEBP"), "image/webp"),
        (pdf(), "application/pdf"),
    ],
    ids=["png", "jpeg", "jpeg of several", "gif", "webp", "pdf"],
)
def test_a_small_picture_of_each_kind(content: bytes, media: str) -> None:
    made = seen(render_preview(content, media))
    assert (made.format, made.mode, made.size) == (
        "PNG",
        "RGB",
        (MAX_EDGE_PIXELS, MAX_EDGE_PIXELS // 2),
    )
    assert is_like(made.getpixel((100, 100)), RED) and is_like(made.getpixel((400, 100)), BLUE)


@pytest.mark.usefixtures("new_processes")
def test_what_is_clear_is_white_and_sixteen_bits_are_scaled() -> None:
    for mode, value, shown in (
        ("RGBA", (9, 9, 9, 0), (255, 255, 255)),
        ("I;16", 0x8000, (128, 128, 128)),
    ):
        written = io.BytesIO()
        Image.new(mode, (20, 10), value).save(written, "PNG")
        made = seen(render_preview(written.getvalue(), "image/png"))
        assert (made.size, is_like(made.getpixel((5, 5)), shown)) == ((20, 10), True), mode


@pytest.mark.usefixtures("new_processes")
def test_nothing_of_the_file_but_its_looks_is_in_its_picture() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "of Ann, in her garden"  # turned by a quarter; a description
    content = image("JPEG", exif=exif, comment=b"of Ann", icc_profile=b"of Ann" * 100)
    assert b"of Ann" in content
    picture = render_preview(content + b"of Ann", "image/jpeg")
    assert b"Ann" not in picture and {picture[at + 4 : at + 8] for at in _chunks(picture)} == {
        b"IHDR",
        b"IDAT",
        b"IEND",
    }
    made = seen(picture)
    assert made.size == (MAX_EDGE_PIXELS // 2, MAX_EDGE_PIXELS) and is_like(
        made.getpixel((100, 100)), RED
    ), "it is turned as it was taken"
    assert not made.info and not made.getexif()


def _chunks(picture: bytes) -> list[int]:
    places = []
    at = 8
    while at < len(picture):
        places.append(at)
        at += 12 + struct.unpack_from(">I", picture, at)[0]
    return places


# -- what is not


NO_PNG = b"\x89PNG\r\n\x1a\n"
BOMB = (
    NO_PNG
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(bytes(10_000)))
)


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(
    ("content", "media"),
    [
        (image("PNG")[:-600], "image/png"),
        (image("JPEG")[:900], "image/jpeg"),
        (pdf()[:60], "application/pdf"),
        (pdf().replace(b"400 200", b"40000 40000"), "application/pdf"),
        (BOMB, "image/png"),
        (b"", "image/png"),
        (SVG, "image/png"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image/png"),
        (image("GIF"), "image/png"),
    ],
    ids=[
        "cut png",
        "cut jpeg",
        "cut pdf",
        "vast page",
        "bomb",
        "empty",
        "svg",
        "postscript",
        "another kind",
    ],
)
def test_what_is_broken_vast_or_of_another_kind_is_not_drawn(content: bytes, media: str) -> None:
    with pytest.raises(NoPreview, match="no preview of this file"):
        render_preview(content, media)


def test_of_other_types_there_is_none_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    for row in FILE_TYPES.values():
        if row.media not in PREVIEW_FORMATS:
            with pytest.raises(NoPreview, match="only PNG, JPEG"):
                render_preview(SVG, row.media)
    monkeypatch.setattr(render, "PREVIEW_MODULES", ("PIL", "bridge_without"))
    with pytest.raises(NoPreview, match="extra `previews`"):
        render_preview(image("PNG"), "image/png")


@pytest.mark.usefixtures("new_processes")
def test_a_pdf_with_programs_in_it_is_merely_drawn() -> None:
    action = "<</S/JavaScript/JS(app.launchURL\\('http://127.0.0.1:1/'\\);app.alert\\(1\\))>>"
    launch = "<</S/Launch/F(/bin/sh)/Next<</S/URI/URI(http://127.0.0.1:1/)>>>>"
    content = pdf(
        f"/OpenAction {action}/Names<</JavaScript<</Names[(a){action}]>>>>/AA<</WC {launch}>>",
        f"/AA<</O {launch}>>",
    )
    assert render_preview(content, "application/pdf") == render_preview(pdf(), "application/pdf")
    assert not {"V8", "XFA"} & set(pdfium.PDFIUM_INFO.flags), "this PDFium knows no JavaScript"


# -- who draws


PRELUDE = (
    "import os, sys, socket, resource; sys.path.append(sys.argv[1]); from bridge.system.previews"
    " import drawing; from bridge.system import seccomp\n"
)


def apart(program: str) -> subprocess.CompletedProcess[str]:
    root = isolated_program.PACKAGE_ROOT
    return subprocess.run(
        [sys.executable, "-I", "-c", PRELUDE + program, root],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


TRIES = """
here = os.open("/", os.O_RDONLY)
seccomp.install_filter()
tried = {"open": lambda: open("/etc/hostname"), "write": lambda: os.open("/tmp/x", os.O_CREAT | os.O_WRONLY), "stat": lambda: os.stat("/"),
         "beside": lambda: os.open("etc", os.O_RDONLY, dir_fd=here), "connect": lambda: socket.socket(), "fork": os.fork,
         "start": lambda: os.execv("/bin/true", ["true"]), "signal": lambda: os.kill(os.getppid(), 0),
         "remove": lambda: os.unlink("/tmp/x"), "limits": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))}
for name, act in tried.items():
    try:
        act()
        print("done:", name)
    except (PermissionError, ValueError):  # the latter: of a limit that may not be set
        pass
print("computed:", sum(range(1000)))
"""


@pytest.mark.usefixtures("new_processes")
def test_behind_the_fence_nothing_is_opened_connected_or_started() -> None:
    done = apart(TRIES)
    assert (done.stdout, done.returncode) == ("computed: 499500\n", 0), done.stderr


@pytest.mark.usefixtures("new_processes")
def test_it_has_so_much_memory_time_and_output() -> None:
    tells = (
        "print([resource.getrlimit(one) for one in (resource.RLIMIT_CPU, resource.RLIMIT_FSIZE,"
        " resource.RLIMIT_CORE)])"
    )
    done = apart(
        f"drawing.limit_process()\ntry:\n    bytearray(2 ** 30)\nexcept MemoryError:\n    {tells}"
    )
    assert (
        done.stdout
        == f"{[(MAX_CPU_SECONDS, MAX_CPU_SECONDS), (MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES), (0, 0)]}\n"
    ), done.stderr


@pytest.mark.usefixtures("new_processes")
def test_what_takes_too_long_or_says_too_much_is_no_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = subprocess.Popen
    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(
        subprocess,
        "Popen",
        lambda *given, **named: started.append(left(*given, **named)) or started[-1],
    )
    monkeypatch.setattr(render, "DRAWING_PROGRAM", "import time; time.sleep(1000)")
    with pytest.raises(NoPreview, match=r"timed out after 0\.2 s"):
        render_preview(image("PNG"), "image/png", 0.2)
    assert started[0].returncode is not None, "nothing is left of it"
    monkeypatch.setattr(
        render,
        "DRAWING_PROGRAM",
        f"import os; os.write(1, bytes.fromhex('89504e470d0a1a0a') + bytes({MAX_OUTPUT_BYTES}))",
    )
    with pytest.raises(NoPreview, match="no preview of this file"):
        render_preview(image("PNG"), "image/png", 30.0)


@pytest.mark.usefixtures("new_processes")
def test_it_has_no_secret_and_no_file_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWBRIDGE_SECRET_KEY", "s" * 40)
    says = (
        "import os; os.write(1, b'\\x89PNG\\r\\n\\x1a\\n' + repr((sorted(os.environ),"
        " sorted(os.listdir('/proc/self/fd')))).encode())"
    )
    monkeypatch.setattr(render, "DRAWING_PROGRAM", says)
    told = render_preview(b"", "image/png")[8:].decode()
    # 3: the folder that it lists
    assert "FLOWBRIDGE" not in told and told.endswith("['0', '1', '2', '3'])"), told


def test_one_is_drawn_at_a_time_few_wait_and_without_the_extra_it_is_said(
    sqlite: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings({"FLOWBRIDGE_DATA": str(tmp_path), "FLOWBRIDGE_SECRET_KEY": "s" * 40})
    blobs = BlobStore.of(settings)
    file = FormFile(field="f", name="a.png", type="image/png", size=1, sha256=blobs.store(b"x"))
    one = make_event(provider="form", files=(file,))
    events.add(sqlite, one, [], lambda *_: [])
    app = Flask(__name__)
    app.register_blueprint(downloads(settings, sqlite, blobs))
    url = f"{file_link('', 's' * 40, one.id, 0, time.time() + 60)}?preview"
    go = Event()
    drawn = list[int]()

    def draw(content: bytes, _media: str, _seconds: float) -> bytes:
        assert go.wait(60)
        drawn.append(1)
        assert len(drawn) == 1, "one at a time"
        drawn.clear()
        return content

    monkeypatch.setattr(web, "render_preview", draw)
    with ThreadPoolExecutor(web.MAX_PREVIEW_THREADS + 1) as pool:
        asked = [
            pool.submit(lambda: app.test_client().get(url))
            for _ in range(web.MAX_PREVIEW_THREADS + 1)
        ]
        refused = next(as_completed(asked)).result()  # the others wait for `go`, or for their turn
        go.set()
        assert (refused.status_code, refused.json["error"], refused.headers["Retry-After"]) == (
            503,
            "busy",
            "2",
        )
        assert sorted(each.result().status_code for each in asked) == [
            200
        ] * web.MAX_PREVIEW_THREADS + [503]
    monkeypatch.setattr(web, "render_preview", render_preview)
    monkeypatch.setattr(render, "PREVIEW_MODULES", ("bridge_without",))
    refused = app.test_client().get(url)
    assert (refused.status_code, refused.json["error"]) == (
        404,
        "no_preview",
    ) and "extra `previews`" in refused.json["message"]


def test_for_an_unknown_processor_there_is_no_fence_and_so_no_picture() -> None:
    with pytest.raises(OSError, match="no seccomp filter for riscv64"):
        seccomp.build_filter("riscv64")
    assert {len(numbers) for _, numbers in seccomp.ARCHITECTURES.values()} == {
        len(seccomp.ALLOWED_CALLS)
    }
