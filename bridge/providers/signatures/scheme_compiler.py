"""Compilation of a signing scheme's texts into locators, templates and patterns. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bridge.core.locators import Locator, compile_locator
from bridge.providers.signatures.encodings import DECODERS
from bridge.providers.signatures.signed_template import SignedTemplate
from bridge.providers.signatures.timestamps import Timestamp


@dataclass(frozen=True, slots=True)
class CompiledScheme:
    """The compiled texts of a signing scheme."""

    at: tuple[Locator, ...]
    signed: tuple[SignedTemplate, ...]
    requires: tuple[tuple[Locator, str], ...]
    hash_at: Locator | None
    # null where there is no time, or it stands in the signature value under `time_label`
    time_at: Locator | None
    time_label: str
    decode: Callable[[str], bytes]
    given_away: re.Pattern[bytes] | None


def compile_scheme(
    *,
    at: str | tuple[str, ...],
    signed: str | tuple[str, ...],
    encoding: str,
    timestamp: Timestamp | None,
    requires: tuple[tuple[str, str], ...],
    body_sha256: str | None,
    given_away: str | None,
) -> CompiledScheme:
    """Compile the texts of a signing scheme. Raise ValueError if they contradict each other."""
    if encoding not in DECODERS:
        raise ValueError(f"encoding {encoding!r} is unknown; allowed are {', '.join(DECODERS)}")
    places = _tuple(at)
    templates = _tuple(signed)
    if not places or not all(templates) or not templates:
        raise ValueError("a signature needs a location (`at`) and signed text (`signed`)")
    where = timestamp.at if timestamp else ""
    if not where and (timed := next((text for text in templates if "{timestamp}" in text), "")):
        raise ValueError(
            f"signed {timed!r}: {{timestamp}} needs a `timestamp` that says where the time is"
        )
    label = where.removeprefix("label:") if where.startswith("label:") else ""
    compiled = CompiledScheme(
        at=tuple(map(compile_locator, places)),
        signed=tuple(map(SignedTemplate, templates)),
        requires=tuple((compile_locator(locator), text) for locator, text in requires),
        hash_at=compile_locator(body_sha256) if body_sha256 else None,
        time_at=compile_locator(where) if where and not label else None,
        time_label=label,
        decode=DECODERS[encoding],
        given_away=re.compile(given_away.encode()) if given_away else None,
    )
    if timestamp and timestamp.enforced:
        _refuse_unsigned_time(compiled)
    return compiled


def _refuse_unsigned_time(compiled: CompiledScheme) -> None:
    """Raise ValueError unless every template signs the time, since others could change it."""
    where = compiled.time_at
    if where and where.kind == "body":
        return
    names = {"timestamp"}
    if where is None:
        names |= {f"label:{compiled.time_label}", compiled.time_label}
    elif where.kind == "query":
        names |= {"url", "query", f"q:{where.name}"}
    for signed in compiled.signed:
        covered = {*signed.headers, *(name for must in signed.lists.values() for name in must)}
        if not names & signed.parts and not (
            where and where.kind == "header" and where.name in covered
        ):
            raise ValueError(
                f"signed {signed.text!r} does not cover the time that is checked: add {{timestamp}}"
            )


def _tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
