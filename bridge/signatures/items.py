"""A list in the body of which each element is signed by itself (Adyen). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import orjson

from bridge.errors import BadSignature
from bridge.locate import dig
from bridge.model import JSON, Request
from bridge.signatures.keys import NO_KEYS, Keys
from bridge.signatures.scheme import Scheme, Secret, live
from bridge.signatures.view import View

MAX_ITEMS = 1000


@dataclass(frozen=True, kw_only=True)
class Items:
    """Each element of the list at the dotted path `at` fits `scheme`, whose places are looked up in the element.

    One element that does not is enough to refuse the request: nothing beside the list is signed, so nothing else is believed.
    """

    at: str
    scheme: Scheme
    credentials: tuple[str, ...] = field(default=(), init=False, repr=False, compare=False)

    needs_secret = True

    def verify(self, request: Request, secrets: Sequence[Secret], now: float, keys: Keys = NO_KEYS) -> None:
        """Return only if every element is signed with a secret live at `now`; raise BadSignature, and nothing else, if not."""
        live(secrets, now)
        for item in self._items(request):
            try:
                body = orjson.dumps(item)
            except TypeError:  # nested too deeply
                raise BadSignature("malformed") from None
            self.scheme.verify(replace(request, body=body), secrets, now, keys)

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` with every element signed."""
        document = orjson.loads(request.body)
        *steps, last = self.at.split(".")
        around = dig(document, steps)
        around[last] = [
            orjson.loads(self.scheme.sign(replace(request, body=orjson.dumps(item)), secret, now).body) for item in around[last]
        ]
        return replace(request, body=orjson.dumps(document))

    def secret_problem(self, secret: str) -> str | None:
        """Return what makes `secret` unusable, without quoting it, or None."""
        return self.scheme.secret_problem(secret)

    def _items(self, request: Request) -> list[JSON]:
        found = dig(View(request).json(), self.at.split("."))
        if not isinstance(found, list) or not found:
            raise BadSignature("missing")
        if len(found) > MAX_ITEMS:
            raise BadSignature("malformed")
        return found
