"""File types are detected from the bytes, whatever the name or media type says."""

from __future__ import annotations

import gzip

import pytest
from forms import HTML, PDF, PNG, SVG, zipped
from growth import CACHED_BYTES, Work, check_growth
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.file_types import (
    DOWNLOAD_MEDIA_TYPES,
    FILE_GROUPS,
    FILE_TYPES,
    detect_type,
    extension,
)

OOXML = ("[Content_Types].xml", "_rels/.rels")
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600
ODT = b"application/vnd.oasis.opendocument.text"


@pytest.mark.parametrize(
    ("content", "name", "type_"),
    [
        (PNG, "a.png", "png"),
        (PNG, "a.pdf", "png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "", "jpeg"),
        (b"GIF89a\x01\0", "", "gif"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "", "webp"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "", "wav"),
        (b"\0\0\0\x1cftypheic\0", "", "heic"),
        (b"\0\0\0\x1cftypavif\0", "", "avif"),
        (b"\0\0\0\x18ftypmp42\0", "", "mp4"),
        (b"\0\0\0\x14ftypqt  \0", "", "mov"),
        (b"II*\0\x08\0", "", "tiff"),
        (PDF, "cv.pdf", "pdf"),
        (PDF, "cv.html", "pdf"),
        (zipped([*OOXML, "word/document.xml"]), "cv.docx", "docx"),
        (zipped([*OOXML, "xl/workbook.xml"]), "cv.docx", "xlsx"),
        (zipped([*OOXML, "ppt/presentation.xml"]), "", "pptx"),
        (zipped(["content.xml"], ODT), "a.odt", "odt"),
        (zipped(["a.txt"]), "cv.docx", "zip"),
        (OLE, "a.doc", "doc"),
        (OLE, "a.xls", "xls"),
        (OLE, "a.msi", "doc"),
        (b"{\\rtf1\\ansi", "", "rtf"),
        (b"ID3\x03\0\0", "", "mp3"),
        (b"ID3 is a tag", "", "txt"),
        (gzip.compress(b"x", mtime=0), "a.gz", "gz"),
        (b"\0" * 257 + b"ustar\0", "", "tar"),
        (b"MZ\x90\0\x03", "cv.pdf", "exe"),
        (b"MZ is a text", "", "txt"),
        (b"\x7fELF\x02\x01", "cv.pdf", "elf"),
        (b"#!/bin/sh\nrm -rf /", "cv.txt", "script"),
        (b"plain words", "a.txt", "txt"),
        (b"plain words", "a.png", "txt"),
        (b"a,b\n1,2\n", "a.csv", "csv"),
        ("Zoë".encode("cp1252"), "a.csv", "csv"),
        ("Zoë".encode("utf-16"), "a.txt", "txt"),
        ("<script>".encode("utf-16"), "a.txt", "html"),
        (b"{}", "a.json", "json"),
        (b"", "a.txt", "txt"),
        (SVG, "a.png", "svg"),
        (b"<svg onload=alert(1)>", "a.txt", "svg"),
        (b"<!-- --><x:svg xmlns:x='http://www.w3.org/2000/svg'/>", "", "svg"),
        (HTML, "a.txt", "html"),
        (b"\xef\xbb\xbf \n<html>", "a.csv", "html"),
        (b"<a href=x>", "a.txt", "html"),
        (b"<?xml version='1.0'?><feed/>", "a.xml", "xml"),
        (
            b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><script/></html>",
            "a.xml",
            "html",
        ),
        (b"1 < 2", "", "txt"),
        (b"\0\x01\x02", "a.txt", "other"),
        (b"\0\x01\x02", "a.dwg", "other"),
    ],
)
def test_a_type_is_detected_from_the_bytes(content: bytes, name: str, type_: str) -> None:
    assert detect_type(content, name).name == type_
    assert detect_type(memoryview(content), name).name == type_


@given(st.binary(max_size=200), st.text(max_size=20))
def test_every_file_is_something(content: bytes, name: str) -> None:
    assert detect_type(content, name).media


def test_what_browsers_execute_is_never_downloaded_as_such_and_in_no_group() -> None:
    active = {
        "text/html",
        "image/svg+xml",
        "application/xml",
        "text/x-shellscript",
        "application/vnd.microsoft.portable-executable",
    }
    assert not active & DOWNLOAD_MEDIA_TYPES
    assert not [row.name for row in FILE_TYPES.values() if row.group and not row.shown]
    assert set(FILE_GROUPS) == {"image", "pdf", "document", "text", "audio", "video", "archive"}


def test_a_row_is_found_by_its_own_signature() -> None:
    for row in FILE_TYPES.values():
        for marks in row.begins:
            content = bytearray(max(place + len(text) for place, text in marks) + 1)
            for place, text in marks:
                content[place : place + len(text)] = text
            found = detect_type(bytes(content) + b"".join(row.holds), f"x.{row.extensions[0]}")
            assert found is row, f"{row.name} is taken for {found.name}"


@pytest.mark.parametrize("name", ["a.PDF", "x.tar.pdf", "..pdf"])
def test_an_extension_follows_the_last_dot(name: str) -> None:
    assert extension(name) == "pdf"
    assert extension("pdf") == extension(".pdf") == extension("") == ""


@pytest.mark.parametrize(
    ("first", "piece"),
    [(b"PK\x03\x04", b"word/"), (b"", b" "), (b"", b"<")],
    ids=["zip", "blanks", "markup"],
)
def test_time_grows_with_size_only(first: bytes, piece: bytes) -> None:
    def prepare(size: int) -> Work:
        content = first + piece * size
        return lambda: detect_type(content)

    check_growth(prepare, CACHED_BYTES // len(piece))
