"""Normalize Unicode text in time that grows with the text alone. Pure.

Normalization sorts the marks that follow a letter, and the standard library's way to sort them is
quadratic: 64,000 marks in a row take seconds. So a row of marks is cut to what the Stream-Safe Text
Format allows: https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

MARKS_IN_A_ROW: Final = 30
#: Every mark is no letter or digit, but for two that are letters and become marks.
_MARK: Final = r"(?:[^\x00-\x7f\w]|[\uff9e\uff9f])"
_LONG_ROW = re.compile(f"(?<!{_MARK})({_MARK}{{{MARKS_IN_A_ROW}}}){_MARK}++")


def normalize(form: Literal["NFC", "NFKC"], text: str) -> str:
    """Return `text` in a normal form. Of more than 30 marks in a row, or other characters that are
    not of a word, the rest is dropped.
    """
    return text if text.isascii() else unicodedata.normalize(form, _LONG_ROW.sub(r"\1", text))
