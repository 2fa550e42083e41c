"""Normalize Unicode text in linear time. Pure.

Normalization sorts the marks that follow a letter, and the standard library's sort is quadratic:
64,000 marks in a row take seconds. So a row of marks is cut to the length that the Stream-Safe Text
Format allows: https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

MAX_CONSECUTIVE_MARKS: Final = 30
#: No mark is a letter or digit, except two letters that become marks.
_MARK: Final = r"(?:[^\x00-\x7f\w]|[\uff9e\uff9f])"
_LONG_ROW = re.compile(f"(?<!{_MARK})({_MARK}{{{MAX_CONSECUTIVE_MARKS}}}){_MARK}++")


def normalize(form: Literal["NFC", "NFKC"], text: str) -> str:
    """Return `text` in a normal form.

    Of more than 30 consecutive marks, or other characters that are not of a word, the rest is
    dropped.
    """
    return text if text.isascii() else unicodedata.normalize(form, _LONG_ROW.sub(r"\1", text))
