"""The file endpoints: upload by name as Base64 in JSON, download as bytes or as a zip.

A zip is built while it is sent, so that it needs little memory whatever its size.
"""

from __future__ import annotations

import binascii
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, cast

from flask import Response, request
from werkzeug.wsgi import wrap_file

from bridge.core.errors import Refused, StoreError
from bridge.core.local_runs import EVENT_FILE_PREFIX, LocalFile
from bridge.core.model import JSON
from bridge.core.units import MIB
from bridge.store.blobs import BlobStore
from bridge.system.logs import get_logger
from bridge.web.downloads import DOWNLOAD_HEADERS, content_disposition
from bridge.web.flow_api import responses
from bridge.web.flow_api.auth import BUILT_IN
from bridge.web.flow_api.context import FlowApiContext
from bridge.web.flow_api.request import ApiRequest, bad_request
from bridge.web.flow_api.runs import find_run

READ_BYTES = 256 * 1024  # bytes read at a time


class _Pieces:
    """A buffer of written bytes. It cannot seek, so sizes follow the data in the zip."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing is buffered elsewhere."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def stream_zip(blobs: BlobStore, files: Sequence[LocalFile]) -> Iterator[bytes]:
    """Yield a zip of the files, piece by piece."""
    pieces = _Pieces()
    with zipfile.ZipFile(
        cast("IO[bytes]", pieces), "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as archive:
        for file in files:
            with blobs.open(file.sha256) as source, archive.open(_entry(file), "w") as target:
                while data := source.read(READ_BYTES):
                    target.write(data)
                    yield pieces.take()
    yield pieces.take()


def _entry(file: LocalFile) -> zipfile.ZipInfo:
    # a zip knows no year before 1980
    at = datetime.fromtimestamp(max(file.created_at, 315619200.0), UTC)
    entry = zipfile.ZipInfo(file.name, at.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.file_size = file.size
    entry.external_attr = 0o100600 << 16
    return entry


MAX_FILE_BYTES = 25 * MIB
MAX_FILES = 50  # in one call
# of one user, without the files of events: they are stored anyway, and deleted with their events
MAX_UPLOADED = 1024 * MIB
MAX_NAME_BYTES = 255  # of a file's name in UTF-8
# instead of `split`, which makes an object of each line
_NO_BLANKS = dict.fromkeys(map(ord, " \t\n\v\f\r"))
log = get_logger()


def upload_file(served: FlowApiContext, api_request: ApiRequest) -> Response:
    """Store one file; it replaces the user's file of that name."""
    name = _keep(served, api_request, api_request.fields)
    return responses.answer(200, {"success": True, "file_name": name})


def upload_files(served: FlowApiContext, api_request: ApiRequest) -> Response:
    """Store several files: 200 if all were stored, 207 if some were, else the first error."""
    kept: list[str] = []
    failed: list[tuple[str, Refused]] = []
    for entry in api_request.listed("files", MAX_FILES):
        try:
            fields = entry if isinstance(entry, dict) else {}
            if fields.get("file_name") in kept:
                raise bad_request("invalid_parameter", "the name is given twice")
            kept.append(_keep(served, api_request, fields))
        except Refused as refused:
            name = fields.get("file_name")
            failed.append((name[:MAX_NAME_BYTES] if isinstance(name, str) else "", refused))
    if not failed:
        return responses.answer(200, {"success": True, "uploaded_files": kept})
    if not kept:
        name, first = failed[0]
        raise Refused(
            first.status,
            first.code,
            f"no file was stored; {name[:100]!r}: {first.message}",
            headers=first.headers,
        )
    reasons = [
        {"file_name": name, "error": why.code, "message": why.message} for name, why in failed
    ]
    names = [name for name, _ in failed]
    return responses.answer(
        207,
        {"partial_success": True, "uploaded_files": kept, "failed_files": names, "errors": reasons},
    )


def download_file(served: FlowApiContext, api_request: ApiRequest) -> Response:
    """Return the bytes of a file that a run saved, or that its user uploaded."""
    file = _files_of_run(served, api_request, [api_request.fields.get("file_name")])[0]
    opened = served.blobs.open(file.sha256)
    headers = {
        **DOWNLOAD_HEADERS,
        "Content-Length": str(file.size),
        "Content-Disposition": content_disposition(file.name),
    }
    return Response(
        wrap_file(request.environ, opened),
        200,
        headers,
        mimetype="application/octet-stream",
        direct_passthrough=True,
    )


def download_files(served: FlowApiContext, api_request: ApiRequest) -> Response:
    """Return several files as a zip, built while it is sent. One missing file is an error."""
    files = _files_of_run(served, api_request, api_request.listed("file_names", MAX_FILES))
    headers = {**DOWNLOAD_HEADERS, "Content-Disposition": content_disposition("files.zip")}
    return Response(stream_zip(served.blobs, files), 200, headers, mimetype="application/zip")


def path_problem(name: JSON) -> str | None:
    """Return why this is no valid name of a file; runs may save files under any other name."""
    if not isinstance(name, str) or not name:
        return "file_name must be a non-empty string"
    if name in (".", "..") or any(char in "/\\" or char < " " for char in name):
        return "file_name must be a name without a folder"
    return None


def name_problem(name: JSON) -> str | None:
    """Return why a file cannot be uploaded under this name: it must be printable, and no path."""
    if problem := path_problem(name):
        return problem
    if (
        any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in name)
        or name != name.strip()
    ):
        return "file_name must not have control or invisible characters, or blanks at its ends"
    if len(name.encode()) > MAX_NAME_BYTES:
        return f"file_name may have at most {MAX_NAME_BYTES} bytes"
    return None


def _keep(served: FlowApiContext, api_request: ApiRequest, fields: JSON) -> str:
    name = fields.get("file_name")
    user_id = api_request.caller.user_id
    if problem := name_problem(name):
        raise bad_request("missing_parameter" if name is None else "invalid_parameter", problem)
    of_event = str(name).lower().startswith(EVENT_FILE_PREFIX)
    if of_event and api_request.caller.key != BUILT_IN:
        raise bad_request(
            "invalid_parameter",
            f"file_name: names that begin with {EVENT_FILE_PREFIX} are reserved for files of"
            " events",
        )
    data = _decoded(fields.get("file_content"))
    if len(data) > MAX_FILE_BYTES:
        raise Refused(
            413,
            "too_large",
            f"the file has {len(data)} bytes; at most {MAX_FILE_BYTES} are allowed",
        )
    try:
        before = served.runs.file(user_id, name)
        total = served.runs.uploaded(user_id) - (before.size if before else 0) + len(data)
        if total > MAX_UPLOADED and not of_event:
            raise Refused(
                507,
                "storage_full",
                f"the files of this user would have {total} bytes; at most {MAX_UPLOADED} are"
                " allowed",
            )
        if not served.blobs.has_room(len(data)):
            raise Refused(507, "storage_full", "the disk is nearly full")
        sha256 = served.blobs.store(data)
        served.runs.keep_file(
            LocalFile(
                user_id=user_id,
                name=name,
                sha256=sha256,
                size=len(data),
                created_at=api_request.now,
            )
        )
    except (OSError, StoreError) as error:
        log.error("file_not_stored", key=api_request.caller.key, error=str(error))
        raise Refused(
            503, "unavailable", "the file could not be stored", headers={"Retry-After": "5"}
        ) from error
    log.info("file_stored", key=api_request.caller.key, bytes=len(data))
    return str(name)


def _decoded(content: JSON) -> bytes:
    """Return the bytes of Base64 text, which may have line breaks."""
    if not isinstance(content, str):
        raise bad_request(
            "missing_parameter" if content is None else "invalid_parameter",
            "file_content must be Base64 text",
        )
    try:
        if content.endswith("==="):  # strict mode accepts more padding than is possible
            raise ValueError
        return binascii.a2b_base64(
            content.translate(_NO_BLANKS) if "\n" in content else content, strict_mode=True
        )
    except ValueError:
        raise bad_request("invalid_parameter", "file_content is not valid Base64") from None


def _files_of_run(
    served: FlowApiContext, api_request: ApiRequest, names: Sequence[JSON]
) -> list[LocalFile]:
    """Return the files of those names: of the run, else uploaded by its user.

    Refuses the request if one of them is missing.
    """
    run_id = api_request.id("run_id")
    saved_item_id = api_request.maybe_id("saved_item_id")
    if problem := next(filter(None, map(path_problem, names)), None):
        raise bad_request("missing_parameter" if names == [None] else "invalid_parameter", problem)
    run = find_run(served, api_request, run_id)
    if saved_item_id not in (None, run.saved_item_id):
        raise bad_request(
            "conflicting_parameters", "the run belongs to another flow than saved_item_id"
        )
    files = []
    for name in dict.fromkeys(map(str, names)):
        file = served.runs.file(run.user_id, name, run.id) or served.runs.file(run.user_id, name)
        if file is None:
            raise Refused(
                404,
                "file_not_found",
                f"there is no file {name[:100]!r} of this run or of this user",
            )
        if not served.blobs.path(file.sha256).is_file():
            log.error("file_missing", sha256=file.sha256)
            raise Refused(500, "file_lost", f"the bytes of {name[:100]!r} are not on this machine")
        files.append(file)
    return files
