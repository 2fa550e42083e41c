"""Texts of forms in each language: one module per language, with the same keys. Pure.

A key that ends in `_1` is the singular, for a `{limit}` of 1.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.core.errors import FieldFault
from bridge.ingest.forms.translations import de, en, es, fr

LANGUAGES: Mapping[str, Mapping[str, str]] = {
    "en": en.TEXTS,
    "de": de.TEXTS,
    "fr": fr.TEXTS,
    "es": es.TEXTS,
}
DEFAULT = "en"
MAX_LISTED_NAMES = 5  # in one sentence
MAX_LISTED_NAME_CHARS = 60


def choose_language(accept: str, *tags: str | None) -> str:
    """Return the language of the answer: the first supported one of `tags`, then of `accept`.

    `accept`: an Accept-Language header.
    """
    for tag in (*tags, *_preferred(accept)):
        language = (tag or "").strip().lower().partition("-")[0]
        if language in LANGUAGES:
            return language
    return DEFAULT


def _preferred(accept: str) -> list[str]:
    """Return the tags of an Accept-Language header, best first.
    https://www.rfc-editor.org/rfc/rfc9110#field.accept-language
    """
    weighed = []
    for place, entry in enumerate(accept[:1000].split(",")):
        tag, _, weight = entry.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if quality > 0:
            weighed.append((-quality, place, tag))
    return [tag for _, _, tag in sorted(weighed)]


def has_text(key: str) -> bool:
    """Return whether there is a text with that key."""
    return key in LANGUAGES[DEFAULT]


def text(language: str, key: str, **values: object) -> str:
    """Return the text `key` with `values` inserted."""
    texts = LANGUAGES[language]
    alone = f"{key}_1" if values.get("limit") == 1 and f"{key}_1" in texts else key
    return texts[alone].format_map(values)


def describe_fault(language: str, fault: FieldFault) -> str:
    """Return the message of a fault."""
    names = ", ".join(_short(name) for name in fault.names[:MAX_LISTED_NAMES]) + (
        ", …" if len(fault.names) > MAX_LISTED_NAMES else ""
    )
    limit = _listed(language, fault.limit) if isinstance(fault.limit, tuple) else fault.limit
    return text(language, fault.key, limit=limit, names=names)


def _listed(language: str, words: tuple[str, ...]) -> str:
    """Return file types as a list, with the names of groups translated."""
    return ", ".join(LANGUAGES[language].get(f"files_{word}", word) for word in words)


def _short(name: str) -> str:
    return name if len(name) <= MAX_LISTED_NAME_CHARS else name[: MAX_LISTED_NAME_CHARS - 1] + "…"
