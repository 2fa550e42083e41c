"""Schemes as routes.yaml describes them, under a source's `verify:`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridge.model import JSON
from bridge.signatures.keyed import Hmac
from bridge.signatures.offered import PLAIN, Pairs
from bridge.signatures.scheme import Scheme
from bridge.signatures.static import Basic, Token
from bridge.signatures.timestamps import Timestamp

Kinds = tuple[type, ...]
PLACES = ("header", "query", "form", "body")
TEXT, NUMBER, TRUTH = (str,), (int, float), (bool,)
WORDS: dict[Kinds, str] = {TEXT: "text", NUMBER: "a number", TRUTH: "true or false"}
HMAC_KEYS = dict.fromkeys(("prefix", "algorithm", "encoding", "key", "signed"), TEXT)
PAIR_KEYS = dict.fromkeys(("label", "separator", "assign"), TEXT)
TIME_KEYS: dict[str, Kinds] = {"unit": TEXT, "tolerance": NUMBER, "enforced": TRUTH}


def scheme_of(provider: str, verify: Mapping[str, JSON]) -> Scheme:
    """Return the scheme that `verify` describes for the provider `hmac`, `token` or `basic`; ValueError says what is allowed.

    hmac: header, query, form or body (where the signature stands); prefix, algorithm, encoding, key, signed; label, separator,
    assign (where it is a list such as `t=1,v1=ab`); timestamp: {header, query, form, body or label; unit, tolerance, enforced}.
    """
    if provider not in DESCRIBED:
        raise ValueError(f"the provider {provider} takes no verify; only {', '.join(DESCRIBED)} do")
    return DESCRIBED[provider](verify)


def _hmac(verify: Mapping[str, JSON]) -> Hmac:
    _refuse_unknown(verify, (*PLACES, *HMAC_KEYS, *PAIR_KEYS, "timestamp"), "verify")
    pairs = _typed(verify, PAIR_KEYS)
    if pairs and "label" not in pairs:
        raise ValueError("verify: separator and assign belong to a list, which needs the label of the signature too")
    time = verify.get("timestamp")
    return Hmac(
        at=_place(verify, PLACES, "verify"),
        parse=Pairs(**pairs) if pairs else PLAIN,
        timestamp=_timestamp(time) if time is not None else None,
        **_typed(verify, HMAC_KEYS),
    )


def _timestamp(time: JSON) -> Timestamp:
    if not isinstance(time, Mapping):
        raise ValueError("timestamp must be a mapping such as {header: X-Timestamp, unit: s, tolerance: 300}")
    places = (*PLACES, "label")
    _refuse_unknown(time, (*places, *TIME_KEYS), "timestamp")
    return Timestamp(_place(time, places, "timestamp"), **_typed(time, TIME_KEYS))


def _token(verify: Mapping[str, JSON]) -> Token:
    _refuse_unknown(verify, (*PLACES, "prefix"), "verify")
    return Token(at=_place(verify, PLACES, "verify"), **_typed(verify, {"prefix": TEXT}))


def _basic(verify: Mapping[str, JSON]) -> Basic:
    _refuse_unknown(verify, (), "verify")
    return Basic()


DESCRIBED: dict[str, Callable[[Mapping[str, JSON]], Scheme]] = {"hmac": _hmac, "token": _token, "basic": _basic}


def _place(given: Mapping[str, JSON], places: tuple[str, ...], where: str) -> str:
    found = [f"{place}:{given[place]}" for place in places if isinstance(given.get(place), str)]
    if len(found) != 1:
        raise ValueError(f"{where} needs exactly one of {', '.join(places)}, with a name")
    return found[0]


def _typed(given: Mapping[str, JSON], kinds: Mapping[str, Kinds]) -> dict[str, JSON]:
    """Return those of `given` that `kinds` names; ValueError for one of another type."""
    named = {name: given[name] for name in kinds if name in given}
    for name, value in named.items():
        if type(value) not in kinds[name]:  # not isinstance: True is no number here
            raise ValueError(f"{name} must be {WORDS[kinds[name]]}")
    return named


def _refuse_unknown(given: Mapping[str, JSON], allowed: tuple[str, ...], where: str) -> None:
    for name in given:
        if name not in allowed:
            raise ValueError(f"{where}: {name!r} is unknown; allowed are {', '.join(allowed) or 'no keys at all'}")
