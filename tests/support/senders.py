"""Every provider of the table as a sender: real requests by its samples, signed as its row says,
and received as the edge does.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from kinds import RSA_OTHER, RSA_PRIVATE, RSA_PUBLIC
from receiving import receive_request
from signing import NOW, WHPK, WHSK

from bridge.core.http_messages import Request
from bridge.core.model import Event
from bridge.ingest.receive import Received
from bridge.providers.model import Provider, masked_locators
from bridge.providers.registry import PROVIDERS
from bridge.providers.samples.loader import sample
from bridge.providers.signatures.alternatives import HeaderSets, SchemeBySecret
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.pins import pins_of, with_pins
from bridge.providers.signatures.scheme import Scheme, Secret
from bridge.providers.signatures.shared_token import Unsigned
from bridge.routing.form import Form
from bridge.routing.model import Config, Source

KEY = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
OTHER = "b94d27b9934d3e08a52e5221b1f9c1c1c8c1ba2f3b2a6c8a9d1a2b3c4d5e6f70"
ED25519 = (b64decode(WHPK[5:]).hex(), b64decode(WHSK[5:])[:32].hex())  # what verifies, what signs
PINS = {
    "topic_arn": "arn:aws:sns:eu-central-1:123456789012:garden",
    "audience": "https://example.com/hooks/google_pubsub",
    "email": "push@garden.iam.gserviceaccount.com",
    "webhook_id": "96605875FF6516633",
}
CONFIG = Config(sources={}, routes=(), flows={}, platforms={}, hash="", canonical="")


@dataclass(frozen=True)
class Kept:
    event_id: str
    deliveries: tuple[()] = ()
    duplicate: bool = False


@dataclass(frozen=True)
class Sender:
    """A provider with a secret to verify and one to sign: the same, unless the keys are a pair."""

    row: Provider
    scheme: Scheme
    secret: str
    private: str

    def request(
        self, type: str | None = None, new_id: str = "fresh-id", now: float = NOW
    ) -> Request:
        """An unsigned sample, with what only this row's samples lack."""
        return sample(
            self.row.name,
            type,
            now=now,
            new_id=new_id,
            url=f"https://example.com/hooks/{self.row.name}",
        )

    def sign(self, request: Request, now: float = NOW) -> Request:
        return self.scheme.sign(request, self.private, now) if self.is_proven else request

    @property
    def is_proven(self) -> bool:
        """Whether its requests prove anything."""
        return not isinstance(self.scheme, Unsigned)

    def signed(
        self, type: str | None = None, new_id: str = "fresh-id", now: float = NOW
    ) -> Request:
        return self.sign(self.request(type, new_id, now), now)

    def verify(self, request: Request, now: float = NOW, *others: str) -> None:
        """Verify with the right secret, and `others` before it."""
        self.scheme.verify(request, [Secret(value) for value in (*others, self.secret)], now)

    def source(self, **more: Any) -> Source:
        row = self.row
        return Source(
            name=row.name,
            provider=row,
            scheme=self.scheme,
            secrets=(Secret(self.secret),) if self.is_proven else (),
            event_type=row.event_type,
            event_id=row.event_id,
            credentials=masked_locators(row, self.scheme, row.batch),
            batch=row.batch,
            form=Form() if row.name == "form" else None,
            **more,
        )

    def receive(
        self, request: Request, now: float = NOW, **more: Any
    ) -> tuple[Received, list[Event]]:
        """What the core makes of a request: its answer, and the events that would be stored."""
        events: list[Event] = []
        numbers = count(1)

        def keep(arrivals: Any, _replan: Any) -> list[Kept]:
            events.extend(event for event, _ in arrivals)
            return [Kept(event.id) for event, _ in arrivals]

        received = receive_request(
            request, self.source(**more), CONFIG, keep, now, lambda: f"event-{next(numbers)}"
        )
        return received, events


def leaves(scheme: Scheme) -> Iterator[Scheme]:
    """The schemes that a scheme chooses from; itself where it is no choice."""
    if isinstance(scheme, SchemeBySecret):
        for _, one in scheme.by_secret:
            yield from leaves(one)
    elif isinstance(scheme, HeaderSets):
        for _, one in scheme.sets:
            yield from leaves(one)
    else:
        yield scheme


def secret_for(scheme: Scheme, key: str = KEY) -> str:
    """A secret that the scheme can use, made of `key`: two keys give two secrets."""
    raw = bytes.fromhex(key)
    kinds = (key, f"whsec_{b64encode(raw).decode()}", f"flowbridge:{key}", b64encode(raw).decode())
    return next(kind for kind in kinds if scheme.secret_problem(kind) is None)


def keys_of(scheme: Scheme, key: str = KEY) -> list[tuple[str, str]]:
    """(what verifies, what signs) for each kind of secret that the scheme tells apart; `key` is
    KEY, or OTHER for a stranger's.
    """
    if isinstance(scheme, HeaderSets):
        return keys_of(scheme.sets[scheme.usual][1], key)
    if not isinstance(scheme, SchemeBySecret):
        return [pair_of(scheme, key)]
    made = []
    for start, one in scheme.by_secret:
        if start == "whpk_":
            made.append(
                (WHPK, WHSK if key == KEY else f"whsk_{b64encode(bytes.fromhex(key)).decode()}")
            )
        elif start not in ("whsk_", "token:"):
            # the private half of whpk_, and what only answers a test of the URL
            verifies, signs = keys_of(one, key)[-1]
            made.append((start + verifies.removeprefix(start), start + signs.removeprefix(start)))
    return made


def pair_of(scheme: Scheme, key: str) -> tuple[str, str]:
    """(what verifies, what signs) for a scheme that is no choice."""
    kind = scheme.algorithm if isinstance(scheme, Jwt) else type(scheme).__name__
    pairs = {
        "Unsigned": lambda: ("", ""),
        "Ed25519": lambda: ED25519 if key == KEY else (ED25519[0], key),
        "Ecdsa": lambda: ecdsa(key),
        "ES256": lambda: ecdsa(key),
        "Rsa": lambda: rsa_pair(key),
        "RS256": lambda: rsa_pair(key),
    }
    return pairs[kind]() if kind in pairs else (secret_for(scheme, key),) * 2


@lru_cache
def ecdsa(key: str) -> tuple[str, str]:
    """A pair of keys on P-256, in PEM."""
    private = ec.derive_private_key(int(key, 16) >> 8, ec.SECP256R1())
    return (
        private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )


@lru_cache
def rsa_pair(key: str) -> tuple[str, str]:
    """A pair of RSA keys; that of a stranger is made anew."""
    if key == KEY:
        return RSA_PUBLIC, RSA_PRIVATE
    private = rsa.generate_private_key(65537, 2048)
    return (
        RSA_OTHER,
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    )


@lru_cache
def senders(name: str) -> tuple[Sender, ...]:
    """The sender of a provider's name, once with each kind of secret it takes; the usual kind is
    the last.
    """
    row = PROVIDERS[name]
    scheme = row.scheme or Hmac(at="header:X-Signature")
    scheme = with_pins(
        scheme, {pin.name: PINS[pin.name] for pin in pins_of(scheme) if pin.required}
    )
    return tuple(Sender(row, scheme, *pair) for pair in keys_of(scheme))


def sender(name: str) -> Sender:
    """The sender of a provider's name with the usual kind of secret."""
    return senders(name)[-1]


def stranger(one: Sender) -> Sender:
    """The same sender with a key that is not its own."""
    kind = keys_of(one.scheme).index((one.secret, one.private))
    secret, private = keys_of(one.scheme, OTHER)[kind]
    return replace(one, secret=secret, private=private)


#: provider's name -> its sender with the usual kind of secret; with a number, those with the other
#: kinds.
ALL = {
    f"{name}-{number}" if number else name: one
    for name in PROVIDERS
    for number, one in enumerate(reversed(senders(name)))
}
PROVEN = {key: one for key, one in ALL.items() if one.is_proven}


def chosen(one: Sender) -> list[Scheme]:
    """The schemes that may be looked at with the sender's secret."""
    schemes = [one.scheme]
    while any(isinstance(each, SchemeBySecret | HeaderSets) for each in schemes):
        opened: list[Scheme] = []
        for each in schemes:
            if isinstance(each, HeaderSets):
                opened += [inner for _, inner in each.sets]
            elif isinstance(each, SchemeBySecret):
                opened.append(
                    next(inner for start, inner in each.by_secret if one.secret.startswith(start))
                )
            else:
                opened.append(each)
        schemes = opened
    return schemes


def covers_body(one: Sender) -> bool:
    """Whether the signature changes with the body; a token does not, unless it is the body."""
    if any(isinstance(each, Jwt) and each.wraps for each in chosen(one)):
        return True
    request = one.request()
    longer = replace(request, body=request.body + b" ")
    now, then = (one.sign(each) for each in (request, longer))
    return (now.headers, now.query_string) != (then.headers, then.query_string)


def tolerances(one: Sender) -> list[float]:
    """How far from now a request's time may be, in each scheme that may be looked at and looks at
    one.
    """
    times = [getattr(each, "timestamp", None) for each in chosen(one)]
    return [time.tolerance for time in times if time is not None and time.enforced]


def templates(one: Sender) -> int:
    """How many texts may have to be hashed to find the right one."""
    return max(len(each.compiled.signed) if isinstance(each, Hmac) else 1 for each in chosen(one))
