"""Common part of signing schemes: compile their texts into locators, templates and patterns, find
the signature and the time, verify and sign. Pure.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from hmac import compare_digest

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import URLENCODED, Locator, compile_locator
from bridge.providers.signatures.encodings import DECODERS, ENCODERS
from bridge.providers.signatures.header_formats import PLAIN, HeaderFormat
from bridge.providers.signatures.key_source import NO_KEYS, KeySource
from bridge.providers.signatures.pins import Pin, Pinned, pinned_values
from bridge.providers.signatures.request_view import RequestView, raw_bytes
from bridge.providers.signatures.scheme import (
    MAX_SIGNATURE_CHARACTERS,
    MAX_SIGNATURES,
    WHOLE_BODY,
    Proof,
    Secret,
    active_secrets,
    find_place,
)
from bridge.providers.signatures.signed_template import SignedTemplate
from bridge.providers.signatures.signer import place_value, remove_value
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


@dataclass(frozen=True, kw_only=True)
class SignedScheme(ABC):
    """A signing scheme as data. A kind (`Hmac`, `Ed25519`) adds `key_of`, `check` and `seal`.

    A kind may override `signing_key`. `at`: locators of the signature; `header:X-Signature-*` means
    numbered headers. `prefix`: required text before it. `signed`: a template, or several of which
    one must match. `requires`: (locator, text) pairs that the request must carry. `body_sha256`:
    the place of the hash of a body that is not a form, for senders that sign only the URL with it.
    `given_away`: a pattern of messages that prove nothing, since a test of the URL has signed them
    for anyone (X, Braintree), or another scheme of the row with a time before the body (Grafana,
    Qonto). `pins`: what a source pins, `pinned`: the values; `{pin:NAME}` in `signed` is one of
    them.
    """

    at: str | tuple[str, ...]
    prefix: str = ""
    parse: HeaderFormat = PLAIN
    encoding: str = "hex"
    signed: str | tuple[str, ...] = "{body}"
    timestamp: Timestamp | None = None
    requires: tuple[tuple[str, str], ...] = ()
    body_sha256: str | None = None
    given_away: str | None = None
    pins: tuple[Pin, ...] = ()
    pinned: Pinned = ()
    compiled: CompiledScheme = field(init=False, repr=False, compare=False)

    credentials: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    @property
    def needs_secret(self) -> bool:
        """Whether verification needs a secret: True, unless a kind can fetch its keys."""
        return True

    @abstractmethod
    def key_of(self, secret: str) -> bytes:
        """Return the key of `secret`. Raise ValueError for an invalid one."""

    @abstractmethod
    def check(self, view: RequestView, message: bytes, signatures: Sequence[bytes]) -> bool:
        """Return whether one of `signatures` matches `message` under the key of `view`."""

    @abstractmethod
    def seal(self, view: RequestView, message: bytes) -> bytes:
        """Return the signature of `message` under the signing key of `view`."""

    def signing_key(self, secret: str) -> bytes:
        """Return the key to sign with, which is `key_of` for a symmetric scheme."""
        return self.key_of(secret)

    def __post_init__(self) -> None:
        compiled = compile_scheme(
            at=self.at,
            signed=self.signed,
            encoding=self.encoding,
            timestamp=self.timestamp,
            requires=self.requires,
            body_sha256=self.body_sha256,
            given_away=self.given_away,
        )
        object.__setattr__(self, "compiled", compiled)

    def verify(
        self, request: Request, secrets: Sequence[Secret], now: float, keys: KeySource = NO_KEYS
    ) -> Proof:
        """Verify `request` with a secret that is active at `now` and return the proof.

        Raise BadSignature, and nothing else, if it is invalid.
        """
        own_keys = self.read_keys(secrets, now)
        view = RequestView(request)
        signatures = self._open(view, now)
        is_fetched = not own_keys
        own_keys = own_keys or self.fetch_keys(view, secrets, now, keys)
        for signed in self.compiled.signed:
            message = None if signed.needs_key else signed.build(view)
            if (
                message is not None
                and self.compiled.given_away
                and self.compiled.given_away.fullmatch(message)
            ):
                continue
            for view.key in own_keys:
                if self.check(view, signed.build(view) if message is None else message, signatures):
                    place = None if is_fetched else self._place(secrets, now, view.key)
                    return replace(self._proof(view, signed), place=place)
        raise BadSignature("mismatch")

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` signed as the sender would. Raise ValueError for an unusable secret."""
        request, labels = self._prepare(request, now)
        view = RequestView(request)
        view.key = self.signing_key(secret)
        view.labels = labels
        view.timestamp = self._time(view) if self.timestamp else ""
        view.pins = pinned_values(self.pins, self.pinned) if self.pins else {}
        signature = ENCODERS[self.encoding](self.seal(view, self.compiled.signed[0].build(view)))
        return place_value(
            request, self.compiled.at[0], self.prefix + self.parse.write(signature, labels)
        )

    def secret_problem(self, secret: str) -> str | None:
        """Return why `secret` is unusable, without quoting it, or None."""
        if not secret.strip():
            return "the secret is empty"
        try:
            self.key_of(secret)
        except ValueError as error:
            return str(error)
        return None

    def read_keys(self, secrets: Sequence[Secret], now: float) -> list[bytes]:
        """Return the keys among the secrets, at least one."""
        own_keys = []
        for secret in active_secrets(secrets, now):
            try:
                own_keys.append(self.key_of(secret))
            except ValueError:
                continue
        if not own_keys:
            raise BadSignature("no_secret")
        return own_keys

    def _place(self, secrets: Sequence[Secret], now: float, key: bytes) -> int | None:
        """Return the index of the secret that holds the key."""
        if len(secrets) == 1:
            return 0
        return find_place(secrets, now, lambda secret: compare_digest(self.key_of(secret), key))

    def fetch_keys(
        self,
        view: RequestView,  # noqa: ARG002 - the arguments are for schemes that fetch keys
        secrets: Sequence[Secret],  # noqa: ARG002 - as above
        now: float,  # noqa: ARG002 - as above
        keys: KeySource,  # noqa: ARG002 - as above
    ) -> list[bytes]:
        """Fetch the keys for `view`, after all cheaper checks."""
        return []

    def _open(self, view: RequestView, now: float) -> list[bytes]:
        """Return the decoded signatures, after every check that is cheaper than hashing."""
        texts = self._values(view)
        offered: list[str] = []
        for text in texts:
            encoded, view.labels = self.parse.read(text)
            offered += encoded
        signatures = []
        for text in offered[:MAX_SIGNATURES]:
            try:
                signatures.append(self.compiled.decode(text))
            except ValueError:  # another entry of the list may be a good one
                continue
        if not signatures:
            raise BadSignature("malformed" if offered else "missing")
        self._check_required(view)
        if self.timestamp:
            view.timestamp = self._time(view)
            self.timestamp.check(view.timestamp, now)
        if self.pins:
            self._check_pins(view)
        return signatures

    def _values(self, view: RequestView) -> list[str]:
        """Return the values with signatures, without prefix. Skip invalid and over-long ones."""
        texts = [text for locator in self.compiled.at for text in _texts(view, locator) if text]
        if not texts:
            raise BadSignature("missing")
        values = [
            text[len(self.prefix) :]
            for text in texts[:MAX_SIGNATURES]
            if len(text) <= MAX_SIGNATURE_CHARACTERS and text.startswith(self.prefix)
        ]
        if not values:
            raise BadSignature("malformed")
        return values

    def _time(self, view: RequestView) -> str:
        """Return the text of the request's time. Raise BadSignature if it is missing."""
        locator = self.compiled.time_at
        text = view.find(locator) if locator else view.labels.get(self.compiled.time_label)
        if not text:
            raise BadSignature("missing")
        return text

    def _check_required(self, view: RequestView) -> None:
        for locator, expected in self.compiled.requires:
            _same(view, locator, expected)
        if self.compiled.hash_at and self._is_hashed(view):
            _same(view, self.compiled.hash_at, sha256(view.request.body).hexdigest())
        elif view.request.content_type != URLENCODED and any(
            signed.form_only for signed in self.compiled.signed
        ):
            raise BadSignature("malformed")  # nothing of this body would be signed

    def _is_hashed(self, view: RequestView) -> bool:
        """Return whether the request must carry the hash of its body. A hash is always checked."""
        at = self.compiled.hash_at
        return at is not None and (
            view.request.content_type != URLENCODED or view.find(at) is not None
        )

    def _proof(self, view: RequestView, signed: SignedTemplate) -> Proof:
        """Return the content that the matching template covers."""
        if signed.covers_body or self._is_hashed(view):
            return WHOLE_BODY
        labels = (
            {**view.labels, self.compiled.time_label: ""}
            if self.compiled.time_label
            else view.labels
        )
        content = partial(_content, signed, labels, view.pins, self.compiled.time_at)
        return Proof(content, joins_fields=signed.joins_fields)

    def _check_pins(self, view: RequestView) -> None:
        view.pins = pinned_values(self.pins, self.pinned)
        for pin in self.pins:
            if (
                pin.at
                and view.pins[pin.name]
                and view.find(compile_locator(pin.at)) not in view.pins[pin.name]
            ):
                raise BadSignature("not_pinned")

    def _prepare(self, request: Request, now: float) -> tuple[Request, dict[str, str]]:
        """Return `request` with everything that is signed beside the body, and the signature's
        labels.
        """
        labels = {}
        if self.timestamp:
            text = self.timestamp.write(now)
            if self.compiled.time_at:
                request = place_value(request, self.compiled.time_at, text)
            else:
                labels[self.compiled.time_label] = text
        for locator, text in self.compiled.requires:
            request = place_value(request, locator, text)
        for pin in self.pins:
            if pin.at and (values := dict(self.pinned).get(pin.name)):
                request = place_value(request, compile_locator(pin.at), values[0])
        if self.compiled.hash_at and request.content_type != URLENCODED:
            request = place_value(request, self.compiled.hash_at, sha256(request.body).hexdigest())
        made_up = "msg_" + sha256(request.body).hexdigest()[:24]
        missing = {
            name: made_up for name in self.compiled.signed[0].headers if name not in request.headers
        }
        for listing, must in self.compiled.signed[0].lists.items():
            missing[listing] = ",".join(
                sorted(
                    {listing, *must, *(name for name in request.headers if name == "content-type")}
                )
            )
        return replace(request, headers={**request.headers, **missing}), labels


def _content(
    signed: SignedTemplate,
    labels: Mapping[str, str],
    pins: Mapping[str, tuple[str, ...]],
    time_at: Locator | None,
    request: Request,
) -> bytes:
    """Return the template's text for the request, without the key and the time."""
    view = RequestView(request if time_at is None else remove_value(request, time_at))
    view.labels = labels
    view.pins = pins
    return signed.build(view)


def _texts(view: RequestView, locator: Locator) -> list[str | None]:
    """Return the texts at `locator`; for `header:name-*` all numbered headers in order."""
    if locator.kind != "header" or not locator.name.endswith("*"):
        return [view.find(locator)]
    stem = locator.name[:-1]
    numbers = [name[len(stem) :] for name in view.request.headers if name.startswith(stem)]
    numbered = sorted(
        int(number)
        for number in numbers
        if number.isascii() and number.isdigit() and len(number) < 4
    )
    return [view.request.headers.get(f"{stem}{number}") for number in numbered]


def _same(view: RequestView, locator: Locator, expected: str) -> None:
    value = view.find(locator)
    if value is None:
        raise BadSignature("missing")
    if not compare_digest(raw_bytes(value), expected.encode()):
        raise BadSignature("mismatch")
