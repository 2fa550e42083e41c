"""Files of the local platform: uploaded by name, kept by content, downloaded as bytes or as a zip;
names and sizes that are refused.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import threading
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from local_platform import BEARER, NOW, USER, Local
from werkzeug.http import parse_options_header

from bridge.config.loader import load
from bridge.core.local_runs import LocalFile
from bridge.core.units import MIB
from bridge.store.blobs import SPARE, BlobStore
from bridge.store.db.database import Database
from bridge.web.flow_api import files
from bridge.web.flow_api.files import READ_BYTES, stream_zip


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture
def local(sqlite: Database, tmp_path: Path) -> Local:
    return Local(sqlite, tmp_path)


def upload(local: Local, name: Any, data: bytes = b"abc") -> Any:
    return local.post("upload_file", {"file_name": name, "file_content": b64(data)})


def blobs(local: Local) -> list[Path]:
    return sorted(path for path in local.blobs.rglob("*") if path.is_file())


# -- there and back


def test_a_file_comes_back_as_it_went(database: Database, tmp_path: Path) -> None:
    local = Local(database, tmp_path)
    run = local.started({"saved_item_id": "parse", "table": "Zahlen ü.csv"})
    data = os.urandom(100_000)
    answer = upload(local, "Zahlen ü.csv", data)
    assert (answer.status_code, answer.json) == (
        200,
        {"success": True, "file_name": "Zahlen ü.csv"},
    )
    kept = local.runs.file(USER, "Zahlen ü.csv")
    assert kept is not None and (kept.size, kept.sha256) == (
        len(data),
        hashlib.sha256(data).hexdigest(),
    )
    answer = local.download(
        "download_file",
        {"file_name": "Zahlen ü.csv", "run_id": run.id, "saved_item_id": "parse", "user_id": USER},
    )
    assert (answer.status_code, answer.data) == (200, data)
    assert (
        answer.mimetype == "application/octet-stream"
        and answer.headers["X-Content-Type-Options"] == "nosniff"
    )
    assert (
        answer.headers["Content-Length"] == "100000"
        and "sandbox" in answer.headers["Content-Security-Policy"]
    )
    kind, options = parse_options_header(answer.headers["Content-Disposition"])
    assert kind == "attachment" and options["filename"] == "Zahlen ü.csv"


def test_a_limited_key_neither_reads_nor_replaces_the_files_of_others(
    local: Local, tmp_path: Path
) -> None:
    digest = hashlib.sha256(b"limited-key").hexdigest()
    keys = f'keys: [{{name: few, hash: "sha256:{digest}", flows: [echo]}}]'
    (tmp_path / "routes.yaml").write_text(
        f"version: 1\nplatforms:\n  local:\n    type: local\n    {keys}\n"
    )
    local.set(keys=load(tmp_path / "routes.yaml", {}).platforms["local"].keys)
    mine = {"Authorization": "Bearer limited-key", "x-auth-key": "key-few"}
    assert upload(local, "private.txt", b"private").status_code == 200
    run = local.started({"saved_item_id": "echo"}, headers=mine)
    asked = {"file_name": "private.txt", "run_id": run.id}
    assert local.download("download_file", asked, headers=mine).status_code == 404
    assert (
        local.post(
            "upload_file", {"file_name": "private.txt", "file_content": b64(b"mine")}, headers=mine
        ).status_code
        == 200
    )
    assert local.download("download_file", asked, headers=mine).data == b"mine"
    own = local.started({"saved_item_id": "echo"})
    assert local.download("download_file", {**asked, "run_id": own.id}).data == b"private"
    assert (
        local.start({"saved_item_id": "echo"}, headers={**mine, "x-auth-key": USER}).status_code
        == 403
    )


def test_a_file_of_the_same_name_is_replaced(local: Local) -> None:
    run = local.started({"saved_item_id": "echo"})
    for data in (b"one", b"two", b""):
        assert upload(local, "a.txt", data).status_code == 200
        assert (
            local.download("download_file", {"file_name": "a.txt", "run_id": run.id}).data == data
        )
    assert local.runs.uploaded(USER) == 0


def test_of_uploads_of_one_name_at_once_one_stays_and_all_are_answered(
    database: Database, tmp_path: Path
) -> None:
    local = Local(database, tmp_path)
    statuses = []

    def put(number: int) -> None:
        body = {"file_name": "a", "file_content": b64(b"%d" % number), "user_id": USER}
        statuses.append(
            local.app.test_client()
            .post("/api/v1/upload_file", json=body, headers=BEARER)
            .status_code
        )

    threads = [threading.Thread(target=put, args=(number,)) for number in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    kept = local.runs.file(USER, "a")
    assert (
        statuses == [200] * 16
        and kept
        and BlobStore(local.blobs).read(kept.sha256) in {b"%d" % number for number in range(16)}
    )


def test_what_a_run_kept_comes_before_what_its_user_uploaded(local: Local) -> None:
    one = local.started({"saved_item_id": "echo"})
    two = local.started({"saved_item_id": "echo"})
    upload(local, "a.txt", b"uploaded")
    digest = BlobStore(local.blobs).store(b"of the run")
    local.runs.keep_file(
        LocalFile(user_id=USER, name="a.txt", sha256=digest, size=10, created_at=NOW, run_id=one.id)
    )
    for run, data in ((one, b"of the run"), (two, b"uploaded")):
        assert (
            local.download("download_file", {"file_name": "a.txt", "run_id": run.id}).data == data
        )


@pytest.mark.parametrize("name", ["a ", " ", "a\u202eb", "a\x7f", "\ufeff", "x" * 255])
def test_whatever_name_a_run_gave_a_file_it_comes_back(local: Local, name: str) -> None:
    run = local.started({"saved_item_id": "echo"})
    digest = BlobStore(local.blobs).store(b"abc")
    local.runs.keep_file(
        LocalFile(user_id=USER, name=name, sha256=digest, size=3, created_at=NOW, run_id=run.id)
    )
    answer = local.download("download_file", {"file_name": name, "run_id": run.id})
    assert answer.data == b"abc" and answer.headers["Content-Disposition"].isprintable()
    answer = local.download("download_files", {"file_names": [name], "run_id": run.id})
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.namelist() == [name] and archive.read(name) == b"abc"


@pytest.mark.parametrize("content", ["YWJj", "YW\nJj\n", "YW\r\n Jj"])
def test_base64_may_be_broken_into_lines(local: Local, content: str) -> None:
    run = local.started({"saved_item_id": "echo"})
    assert local.post("upload_file", {"file_name": "a", "file_content": content}).status_code == 200
    assert local.download("download_file", {"file_name": "a", "run_id": run.id}).data == b"abc"


def test_base64_in_short_lines_takes_little_memory() -> None:
    text = "YWJj\n" * 200_000
    tracemalloc.start()
    try:
        assert files._decoded(text) == b"abc" * 200_000
        assert tracemalloc.get_traced_memory()[1] < 4 * len(text)
    finally:
        tracemalloc.stop()


# -- what is not kept

BAD_NAMES = [
    "",
    ".",
    "..",
    "/",
    "a/b",
    "../a",
    "..\\a",
    "a\\b",
    "/etc/passwd",
    "C:\\a",
    "a\0",
    "a\nb",
    "a\r\nX: y",
    "\t",
    "a\x7f",
    "a\u202etxt.exe",
    "a\u200b",
    "\ufeffa",
    "a\u2028b",
    "\x85",
    " a",
    "a ",
    "\u3000a",
    "x" * 256,
    "ü" * 128,
    7,
    None,
    ["a"],
    {"a": 1},
    True,
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_are_refused(local: Local, name: Any) -> None:
    answer = upload(local, name)
    assert answer.status_code == 400 and answer.json["error"] in (
        "invalid_parameter",
        "missing_parameter",
    )
    assert (
        answer.json["message"].startswith("file_name")
        and blobs(local) == []
        and local.runs.uploaded(USER) == 0
    )
    run = local.started({"saved_item_id": "echo"})
    for path, names in (
        ("download_file", {"file_name": name}),
        ("download_files", {"file_names": [name]}),
    ):
        assert local.post(path, {**names, "run_id": run.id}).status_code in (400, 404)


GOOD_NAMES = [
    "a",
    "...",
    "a..b",
    ".env",
    "x" * 255,
    "ü" * 127,
    "a b",
    "%2e%2e%2fa",
    "a;b",
    'a"b',
    "a'b",
    "emoji 🎉.png",
    "日本語.txt",
]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_names_that_are_kept(local: Local, name: str) -> None:
    run = local.started({"saved_item_id": "echo"})
    assert upload(local, name).json == {"success": True, "file_name": name}
    answer = local.download("download_file", {"file_name": name, "run_id": run.id})
    assert (
        answer.data == b"abc"
        and parse_options_header(answer.headers["Content-Disposition"])[1]["filename"] == name
    )
    assert [path.name for path in blobs(local)] == [hashlib.sha256(b"abc").hexdigest()], (
        "no name becomes a path"
    )


@given(st.text())
@example('a"\r\nSet-Cookie: x=1')
@example('a"; filename="b')
@example("\ud800")
def test_no_name_breaks_out_of_the_header(name: str) -> None:
    header = files.content_disposition(name)
    assert header.isascii() and header.isprintable()
    assert (
        header.count('"') == 2
        and header.count(";") == 2
        and header.count("filename") <= 2 + name.count("filename") * 2
    )
    if name.isprintable() and name.strip() == name and name:
        assert parse_options_header(header)[1]["filename"] == name


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_parameter"),
        ({"file_name": "a"}, "missing_parameter"),
        ({"file_content": "YWJj"}, "missing_parameter"),
        ({"file_name": "a", "file_content": None}, "missing_parameter"),
        ({"file_name": "a", "file_content": ["YWJj"]}, "invalid_parameter"),
        ({"file_name": "a", "file_content": "YWJ"}, "invalid_parameter"),
        ({"file_name": "a", "file_content": "YWJjZA"}, "invalid_parameter"),
        ({"file_name": "a", "file_content": "YWJj===="}, "invalid_parameter"),
        ({"file_name": "a", "file_content": "YW Jj"}, "invalid_parameter"),
        ({"file_name": "a", "file_content": "_-8="}, "invalid_parameter"),
        ({"file_name": "a", "file_content": "ü"}, "invalid_parameter"),
        ({"file_name": "a", "file_content": "data:text/plain;base64,YWJj"}, "invalid_parameter"),
        ([{"file_name": "a", "file_content": "YWJj"}], "invalid_json"),
        (b"YWJj", "invalid_json"),
        (b"", "missing_parameter"),
    ],
)
def test_what_is_no_file(local: Local, body: Any, code: str) -> None:
    answer = local.post("upload_file", body)
    assert (answer.status_code, answer.json["error"]) == (400, code) and blobs(local) == []


# -- limits


@pytest.mark.usefixtures("slow")
def test_a_file_has_a_largest_size_and_so_has_a_body(local: Local) -> None:
    assert upload(local, "fits", bytes(files.MAX_FILE_BYTES)).status_code == 200
    answer = upload(local, "large", bytes(files.MAX_FILE_BYTES + 1))
    assert (answer.status_code, answer.json["error"]) == (413, "too_large") and local.runs.file(
        USER, "large"
    ) is None
    answer = local.post("upload_file", b'{"x": "' + b"x" * (35 * MIB) + b'"}')
    assert (answer.status_code, answer.json["error"]) == (413, "too_large")


def test_an_upload_has_few_values(local: Local) -> None:
    """Parsed, they take up to forty times their size."""
    answer = local.post("upload_file", b'{"x": [' + b"[]," * 60_000 + b"0]}")
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_json")
    assert answer.json["message"] == "the body has more than 50000 values"
    many = {"saved_item_id": "echo", "x": [[]] * 60_000}
    assert local.post("start_pipeline", many).status_code == 200


def test_what_a_user_uploads_is_bounded(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UPLOADED", 100)
    assert upload(local, "a", bytes(60)).status_code == 200
    full = upload(local, "b", bytes(41))
    assert (full.status_code, full.json["error"]) == (
        507,
        "storage_full",
    ) and "101 bytes; at most 100" in full.json["message"]
    assert upload(local, "a", bytes(100)).status_code == 200, "what it replaces does not count"
    assert (
        upload(local, "a", b"").status_code == 200
        and upload(local, "b", bytes(100)).status_code == 200
    ), "and so room is made"
    local.runs.keep_file(
        LocalFile(user_id="other", name="c", sha256="0" * 64, size=10**12, created_at=NOW)
    )
    local.runs.keep_file(
        LocalFile(
            user_id=USER, name="c", sha256="0" * 64, size=10**12, created_at=NOW, run_id="run"
        )
    )
    assert local.runs.uploaded(USER) == 100, "only what this user uploaded"


def test_the_disk_is_not_filled(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BlobStore, "free_bytes", lambda _: SPARE)
    answer = upload(local, "a")
    assert (answer.status_code, answer.json["error"]) == (507, "storage_full") and blobs(
        local
    ) == []


def test_a_disk_that_fails_is_503(local: Local) -> None:
    local.blobs.parent.mkdir(parents=True)
    local.blobs.write_text("no folder")
    answer = upload(local, "a")
    assert (answer.status_code, answer.json["error"]) == (503, "unavailable") and local.runs.file(
        USER, "a"
    ) is None
    assert str(local.blobs) not in answer.json["message"]


# -- several at once


def entry(name: Any, data: bytes = b"abc") -> dict[str, Any]:
    return {"file_name": name, "file_content": b64(data)}


def test_several_files_are_kept(local: Local) -> None:
    answer = local.post(
        "upload_files", {"files": [entry("a", b"1"), entry("b", b"2")], "user_id": USER}
    )
    assert (answer.status_code, answer.json) == (
        200,
        {"success": True, "uploaded_files": ["a", "b"]},
    )
    run = local.started({"saved_item_id": "echo"})
    answer = local.download(
        "download_files", {"file_names": ["b", "a", "b"], "run_id": run.id, "user_id": USER}
    )
    assert (
        answer.status_code == 200
        and answer.mimetype == "application/zip"
        and answer.headers["X-Content-Type-Options"] == "nosniff"
    )
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.testzip() is None and archive.namelist() == ["b", "a"]
        assert [archive.read(name) for name in ("a", "b")] == [b"1", b"2"]
        assert {one.external_attr >> 16 for one in archive.infolist()} == {0o100600}


def test_some_kept_is_207_and_says_which(local: Local) -> None:
    given = [
        entry("a"),
        entry("../b"),
        {"file_name": "c", "file_content": "%"},
        "text",
        entry("a"),
        entry("d"),
    ]
    answer = local.post("upload_files", {"files": given})
    assert answer.status_code == 207
    assert answer.json["partial_success"] is True and answer.json["uploaded_files"] == ["a", "d"]
    assert answer.json["failed_files"] == ["../b", "c", "", "a"]
    codes = [one["error"].partition("_")[0] for one in answer.json["errors"]]
    assert codes == ["invalid", "invalid", "missing", "invalid"]
    assert (
        local.runs.file(USER, "a") and local.runs.file(USER, "d") and not local.runs.file(USER, "c")
    )


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        (None, 400, "missing_parameter"),
        ([], 400, "invalid_parameter"),
        ("a", 400, "invalid_parameter"),
        ({"file_name": "a"}, 400, "invalid_parameter"),
        ([entry("..")], 400, "invalid_parameter"),
        ([None, 5], 400, "missing_parameter"),
        ([entry(f"{number}") for number in range(51)], 400, "invalid_parameter"),
    ],
)
def test_none_kept_is_an_error(local: Local, given: Any, status: int, code: str) -> None:
    answer = local.post("upload_files", {"files": given})
    assert (answer.status_code, answer.json["error"]) == (status, code) and set(answer.json) == {
        "error",
        "message",
    }
    assert blobs(local) == []


def test_none_kept_because_of_us_is_our_error(local: Local) -> None:
    local.blobs.parent.mkdir(parents=True)
    local.blobs.write_text("no folder")
    answer = local.post("upload_files", {"files": [entry("a"), entry("b")]})
    assert (answer.status_code, answer.json["error"]) == (503, "unavailable")


# -- what cannot be downloaded


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("download_file", {}, 400, "missing_parameter"),
        ("download_file", {"file_name": "a"}, 400, "missing_parameter"),
        ("download_file", {"run_id": "run"}, 400, "missing_parameter"),
        ("download_file", {"file_name": "a", "run_id": "no-such"}, 404, "run_not_found"),
        ("download_file", {"file_name": "no-such", "run_id": "run"}, 404, "file_not_found"),
        (
            "download_file",
            {"file_name": "a", "run_id": "run", "saved_item_id": "greet"},
            400,
            "conflicting_parameters",
        ),
        ("download_files", {"file_names": ["a"]}, 400, "missing_parameter"),
        ("download_files", {"run_id": "run"}, 400, "missing_parameter"),
        ("download_files", {"file_names": [], "run_id": "run"}, 400, "invalid_parameter"),
        ("download_files", {"file_names": "a", "run_id": "run"}, 400, "invalid_parameter"),
        ("download_files", {"file_names": ["a", 5], "run_id": "run"}, 400, "invalid_parameter"),
        ("download_files", {"file_names": ["a"] * 51, "run_id": "run"}, 400, "invalid_parameter"),
        (
            "download_files",
            {"file_names": ["a", "no-such"], "run_id": "run"},
            404,
            "file_not_found",
        ),
    ],
)
def test_errors_of_downloads(local: Local, path: str, body: Any, status: int, code: str) -> None:
    local.keep(id="run")
    upload(local, "a")
    answer = local.post(path, body)
    assert (answer.status_code, answer.json["error"]) == (status, code)


def test_a_blob_that_is_gone_is_our_error_and_no_half_zip(local: Local) -> None:
    local.keep(id="run")
    upload(local, "a")
    upload(local, "b", b"b")
    BlobStore(local.blobs).path(hashlib.sha256(b"b").hexdigest()).unlink()
    for path, body in (
        ("download_file", {"file_name": "b"}),
        ("download_files", {"file_names": ["a", "b"]}),
    ):
        answer = local.post(path, {**body, "run_id": "run"})
        assert (answer.status_code, answer.json["error"]) == (500, "file_lost")


def test_a_zip_takes_no_more_memory_than_a_few_pieces(tmp_path: Path) -> None:
    kept = BlobStore(tmp_path)
    data = os.urandom(20 * READ_BYTES)
    listed = [
        LocalFile(
            user_id=USER, name=f"{number}", sha256=kept.store(data), size=len(data), created_at=NOW
        )
        for number in range(5)
    ]
    pieces = list(stream_zip(kept, listed))
    assert len(pieces) > 90 and max(map(len, pieces)) < 2 * READ_BYTES
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None and {
            archive.read(name) for name in archive.namelist()
        } == {data}
    abandoned = stream_zip(kept, listed)
    next(abandoned)
    abandoned.close()
