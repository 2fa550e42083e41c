"""Charsets of forms: the encodings that browsers support, with their labels. Pure.

https://encoding.spec.whatwg.org/#names-and-labels. Python also has codecs that decompress or
execute; only these are ever used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

UTF_8: Final = "utf-8"
DEFAULT_CODEC: Final = "cp1252"  # of a page that declares no charset
#: Python's codec -> its labels. As in browsers, Latin-1 and ASCII are read as windows-1252.
_LABELS: Final = {
    UTF_8: "utf-8 utf8 unicode-1-1-utf-8",
    "cp1252": (
        "windows-1252 cp1252 x-cp1252 iso-8859-1 iso8859-1 iso_8859-1 latin1 l1 us-ascii ascii"
    ),
    "iso8859-2": "iso-8859-2 iso8859-2 iso_8859-2 latin2 l2",
    "iso8859-3": "iso-8859-3 iso8859-3 latin3",
    "iso8859-4": "iso-8859-4 iso8859-4 latin4",
    "iso8859-5": "iso-8859-5 iso8859-5 cyrillic",
    "iso8859-6": "iso-8859-6 iso8859-6 arabic",
    "iso8859-7": "iso-8859-7 iso8859-7 greek",
    "iso8859-8": "iso-8859-8 iso8859-8 iso-8859-8-i hebrew",
    "iso8859-10": "iso-8859-10 iso8859-10 latin6",
    "iso8859-13": "iso-8859-13 iso8859-13",
    "iso8859-14": "iso-8859-14 iso8859-14",
    "iso8859-15": "iso-8859-15 iso8859-15 latin9 l9",
    "iso8859-16": "iso-8859-16",
    "cp874": "windows-874 iso-8859-11 tis-620",
    "cp1250": "windows-1250 cp1250 x-cp1250",
    "cp1251": "windows-1251 cp1251 x-cp1251",
    "cp1253": "windows-1253 cp1253",
    "cp1254": "windows-1254 cp1254 iso-8859-9 latin5",
    "cp1255": "windows-1255 cp1255",
    "cp1256": "windows-1256 cp1256",
    "cp1257": "windows-1257 cp1257",
    "cp1258": "windows-1258 cp1258",
    "cp866": "ibm866 cp866 866",
    "koi8-r": "koi8-r koi8 koi",
    "koi8-u": "koi8-u koi8-ru",
    "mac-roman": "macintosh mac x-mac-roman",
    "gb18030": "gb18030 gbk gb2312 gb_2312 x-gbk chinese",
    "big5": "big5 big5-hkscs x-x-big5",
    "cp932": "shift_jis shift-jis sjis x-sjis ms932 windows-31j",
    "euc_jp": "euc-jp x-euc-jp",
    "cp949": "euc-kr ks_c_5601-1987 korean windows-949",
}
CODECS: Final[Mapping[str, str]] = {
    label: codec for codec, labels in _LABELS.items() for label in labels.split()
}


def find_codec(label: str) -> str | None:
    """Return the codec of a label, None if it is unknown; an empty label is UTF-8."""
    return CODECS.get(label.strip().strip("\"'").lower()) if label.strip() else UTF_8
