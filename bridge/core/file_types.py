"""File types and their detection from bytes. Pure.

One row per type. No file is unpacked or parsed: a type is detected by the first bytes, and a few by
bytes anywhere. Where several types look alike (a CSV and a note, a .doc and an .xls) the extension
of the name decides among those only.

Signatures: https://mimesniff.spec.whatwg.org/ and https://www.iana.org/assignments/media-types/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: Bytes by which browsers detect binary content.
#: https://mimesniff.spec.whatwg.org/#binary-data-byte
_BINARY_BYTE = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n\x0c]*<[a-zA-Z!?/]")
_SVG = re.compile(rb"<(?:[a-z]{1,20}:)?svg[\s>/]", re.IGNORECASE)
_XML = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*<\?xml\s")
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|script|iframe|style)[\s>/]", re.IGNORECASE)
ByteMarks = tuple[tuple[tuple[int, bytes], ...], ...]
SNIFFED_BYTES: Final = 4096  # bytes in which markup is detected


@dataclass(frozen=True, slots=True)
class FileType:
    """One type of file.

    `begins`: alternatives of (offset, bytes) that all must match; `holds`: bytes of which one must
    occur anywhere. `group` selects several types in routes.yaml; types without one are selected by
    name. `shown`: a download may have this media type, since browsers run nothing in such a file.
    """

    name: str
    group: str
    media: str
    extensions: tuple[str, ...]
    begins: ByteMarks = ()
    holds: tuple[bytes, ...] = ()
    shown: bool = True


def _at(*texts: bytes, place: int = 0) -> ByteMarks:
    return tuple(((place, text),) for text in texts)


def _riff(kind: bytes) -> ByteMarks:
    return (((0, b"RIFF"), (8, kind)),)


def _ftyp(*brands: bytes) -> ByteMarks:
    return tuple(((4, b"ftyp"), (8, brand)) for brand in brands)


_ZIP = _at(b"PK\x03\x04")
_OLE = _at(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."


def _odf(kind: str) -> ByteMarks:
    """The media type is the first entry of the archive: OpenDocument 1.2, part 3, section 3.3."""
    return (((0, b"PK\x03\x04"), (30, f"mimetype{_ODF}{kind}".encode())),)


UNKNOWN_TYPE: Final = FileType("other", "", "application/octet-stream", ())
HTML: Final = FileType("html", "", "text/html", ("html", "htm", "xhtml"), shown=False)
SVG: Final = FileType("svg", "", "image/svg+xml", ("svg",), shown=False)
XML: Final = FileType("xml", "", "application/xml", ("xml",), shown=False)
TEXT: Final = FileType("txt", "text", "text/plain", ("txt", "text", "log", "md"))

#: Types of text, by extension.
TEXT_TYPES: Final = (
    TEXT,
    FileType("csv", "text", "text/csv", ("csv",)),
    FileType("tsv", "text", "text/tab-separated-values", ("tsv",)),
    FileType("json", "text", "application/json", ("json",)),
    FileType("ics", "text", "text/calendar", ("ics",)),
    FileType("vcf", "text", "text/vcard", ("vcf",)),
)
#: The first row whose signature matches decides; of rows with the same signature the first, unless
#: the extension is another's.
BINARY_TYPES: Final = (
    FileType("png", "image", "image/png", ("png",), _at(b"\x89PNG\r\n\x1a\n")),
    FileType("jpeg", "image", "image/jpeg", ("jpg", "jpeg", "jfif"), _at(b"\xff\xd8\xff")),
    FileType("gif", "image", "image/gif", ("gif",), _at(b"GIF87a", b"GIF89a")),
    FileType("webp", "image", "image/webp", ("webp",), _riff(b"WEBP")),
    FileType("avif", "image", "image/avif", ("avif",), _ftyp(b"avif", b"avis")),
    FileType(
        "heic",
        "image",
        "image/heic",
        ("heic", "heif"),
        _ftyp(b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"),
    ),
    FileType("tiff", "image", "image/tiff", ("tif", "tiff"), _at(b"II*\x00", b"MM\x00*")),
    FileType("bmp", "image", "image/bmp", ("bmp",), (((0, b"BM"), (6, b"\x00\x00\x00\x00")),)),
    FileType("pdf", "pdf", "application/pdf", ("pdf",), _at(b"%PDF-")),
    FileType(
        "docx",
        "document",
        f"{_OOXML}wordprocessingml.document",
        ("docx",),
        _ZIP,
        (b"word/document.xml",),
    ),
    FileType(
        "xlsx", "document", f"{_OOXML}spreadsheetml.sheet", ("xlsx",), _ZIP, (b"xl/workbook.xml",)
    ),
    FileType(
        "pptx",
        "document",
        f"{_OOXML}presentationml.presentation",
        ("pptx",),
        _ZIP,
        (b"ppt/presentation.xml",),
    ),
    FileType("odt", "document", f"{_ODF}text", ("odt",), _odf("text")),
    FileType("ods", "document", f"{_ODF}spreadsheet", ("ods",), _odf("spreadsheet")),
    FileType("odp", "document", f"{_ODF}presentation", ("odp",), _odf("presentation")),
    FileType("doc", "document", "application/msword", ("doc",), _OLE),
    FileType("xls", "document", "application/vnd.ms-excel", ("xls",), _OLE),
    FileType("ppt", "document", "application/vnd.ms-powerpoint", ("ppt",), _OLE),
    FileType("rtf", "document", "application/rtf", ("rtf",), _at(b"{\\rtf")),
    FileType(
        "mp3",
        "audio",
        "audio/mpeg",
        ("mp3",),
        (((0, b"ID3"), (4, b"\x00")), *_at(b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")),
    ),
    FileType("wav", "audio", "audio/wav", ("wav",), _riff(b"WAVE")),
    FileType("flac", "audio", "audio/flac", ("flac",), _at(b"fLaC")),
    FileType("ogg", "audio", "audio/ogg", ("ogg", "oga", "opus"), _at(b"OggS")),
    FileType("m4a", "audio", "audio/mp4", ("m4a",), _ftyp(b"M4A ")),
    FileType("mov", "video", "video/quicktime", ("mov",), _ftyp(b"qt  ")),
    FileType(
        "mp4",
        "video",
        "video/mp4",
        ("mp4", "m4v", "3gp"),
        _ftyp(b"isom", b"iso", b"mp4", b"avc1", b"M4V", b"3gp", b"dash", b"MSNV"),
    ),
    FileType("webm", "video", "video/webm", ("webm", "mkv"), _at(b"\x1a\x45\xdf\xa3")),
    FileType("avi", "video", "video/x-msvideo", ("avi",), _riff(b"AVI ")),
    FileType("zip", "archive", "application/zip", ("zip",), _ZIP),
    FileType("gz", "archive", "application/gzip", ("gz", "tgz"), _at(b"\x1f\x8b")),
    FileType("bz2", "archive", "application/x-bzip2", ("bz2",), (((0, b"BZh"), (4, b"1AY&SY")),)),
    FileType("xz", "archive", "application/x-xz", ("xz",), _at(b"\xfd7zXZ\x00")),
    FileType("7z", "archive", "application/x-7z-compressed", ("7z",), _at(b"7z\xbc\xaf\x27\x1c")),
    FileType("rar", "archive", "application/vnd.rar", ("rar",), _at(b"Rar!\x1a\x07")),
    FileType("tar", "archive", "application/x-tar", ("tar",), _at(b"ustar", place=257)),
    FileType(
        "exe",
        "",
        "application/vnd.microsoft.portable-executable",
        ("exe", "dll", "scr", "com"),
        _at(b"MZ"),
        (b"\x00",),
        shown=False,
    ),
    FileType("elf", "", "application/x-elf", ("elf", "so"), _at(b"\x7fELF"), shown=False),
    FileType(
        "macho",
        "",
        "application/x-mach-binary",
        ("dylib",),
        _at(b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe"),
        shown=False,
    ),
    FileType(
        "script", "", "text/x-shellscript", ("sh", "py", "pl", "bash"), _at(b"#!"), shown=False
    ),
)
FILE_TYPES: Final[Mapping[str, FileType]] = {
    row.name: row for row in (*BINARY_TYPES, *TEXT_TYPES, SVG, HTML, XML)
}
FILE_GROUPS: Final = tuple(dict.fromkeys(row.group for row in FILE_TYPES.values() if row.group))
#: Media types that a download may have: browsers run nothing in such files.
DOWNLOAD_MEDIA_TYPES: Final = frozenset(row.media for row in FILE_TYPES.values() if row.shown)


def extension(name: str) -> str:
    """Return the lower-case extension of a file's name; empty without one."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if dot and stem else ""


def detect_type(content: bytes | memoryview, name: str = "") -> FileType:
    """Return the type of a file; `UNKNOWN_TYPE` if unknown."""
    beginning = bytes(content[:SNIFFED_BYTES])
    last = extension(name)
    alike = [row for row in BINARY_TYPES if _fits(row, beginning, content)]
    if alike:
        return next(
            (row for row in alike if last in row.extensions and row.begins == alike[0].begins),
            alike[0],
        )
    # UTF-16, which browsers always read as text
    if beginning[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return TEXT if not _MARKUP.match(beginning.replace(b"\x00", b"")[2:]) else HTML
    if _BINARY_BYTE.search(content):
        return UNKNOWN_TYPE
    if _MARKUP.match(beginning):
        is_xml = _XML.match(beginning) and not _HTML.search(beginning)
        return SVG if _SVG.search(beginning) else XML if is_xml else HTML
    return next((row for row in TEXT_TYPES if last in row.extensions), TEXT)


def _fits(row: FileType, beginning: bytes, content: bytes | memoryview) -> bool:
    if not any(
        all(beginning.startswith(text, place) for place, text in marks) for marks in row.begins
    ):
        return False
    return not row.holds or any(re.search(re.escape(text), content) for text in row.holds)
