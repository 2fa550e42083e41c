"""A list in the body with a signature for each element (Adyen). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import orjson

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import dig
from bridge.core.model import JSON
from bridge.providers.signatures.key_source import NO_KEYS, KeySource
from bridge.providers.signatures.request_view import RequestView
from bridge.providers.signatures.scheme import WHOLE_BODY, Proof, Scheme, Secret, active_secrets

MAX_SIGNED_ITEMS = 1000


@dataclass(frozen=True, kw_only=True)
class SignedItems:
    """A list at the dotted path `at` of which each element must match `scheme`.

    The locators of `scheme` apply to the element. One invalid element refuses the request: nothing
    beside the list is signed.
    """

    at: str
    scheme: Scheme
    credentials: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    needs_secret = True

    def verify(
        self, request: Request, secrets: Sequence[Secret], now: float, keys: KeySource = NO_KEYS
    ) -> Proof:
        """Verify `request` with a secret that is active at `now` and return the proof.

        Raise BadSignature, and nothing else, if it is invalid.
        """
        active_secrets(secrets, now)
        proofs = [
            self.scheme.verify(element, secrets, now, keys) for element in self._elements(request)
        ]
        place = proofs[0].place
        content = proofs[0].content
        if content is None:
            return replace(WHOLE_BODY, place=place)
        return Proof(
            lambda whole: b"\n".join(map(content, self._elements(whole))), content, place=place
        )

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` with every element signed."""
        document = orjson.loads(request.body)
        *steps, last = self.at.split(".")
        around = dig(document, steps)
        around[last] = [
            orjson.loads(
                self.scheme.sign(replace(request, body=orjson.dumps(item)), secret, now).body
            )
            for item in around[last]
        ]
        return replace(request, body=orjson.dumps(document))

    def secret_problem(self, secret: str) -> str | None:
        """Return why `secret` is unusable, without quoting it, or None."""
        return self.scheme.secret_problem(secret)

    def _elements(self, request: Request) -> Iterator[Request]:
        """Yield a request for each element, with the element as its body."""
        for item in self._items(request):
            try:
                yield replace(request, body=orjson.dumps(item))
            except TypeError:  # nested too deeply
                raise BadSignature("malformed") from None

    def _items(self, request: Request) -> list[JSON]:
        items = dig(RequestView(request).json(), self.at.split("."))
        if not isinstance(items, list) or not items:
            raise BadSignature("missing")
        if len(items) > MAX_SIGNED_ITEMS:
            raise BadSignature("malformed")
        return items
