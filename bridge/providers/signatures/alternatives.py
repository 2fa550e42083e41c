"""Choices between schemes. A request cannot choose a weaker scheme. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.providers.signatures.key_source import NO_KEYS, KeySource
from bridge.providers.signatures.scheme import (
    Proof,
    Scheme,
    Secret,
    active_secrets,
    is_active,
)


@dataclass(frozen=True, kw_only=True)
class SchemeBySecret:
    """Several schemes, of which the prefix of the secret chooses one; the first match counts.

    The request has no influence on it.

    Standard Webhooks: `whpk_…` is a public key and checks `v1a` entries only, `whsec_…` a shared
    one and checks `v1` only.
    """

    by_secret: tuple[tuple[str, Scheme], ...]
    credentials: tuple[str, ...] = field(init=False, repr=False, compare=False)

    needs_secret = True

    def __post_init__(self) -> None:
        names = [name for _, scheme in self.by_secret for name in scheme.credentials]
        object.__setattr__(self, "credentials", tuple(dict.fromkeys(names)))

    def verify(
        self, request: Request, secrets: Sequence[Secret], now: float, keys: KeySource = NO_KEYS
    ) -> Proof:
        """Verify `request` with a secret that is active at `now` and return the proof.

        Raise BadSignature, and nothing else, if it is invalid.
        """
        active_secrets(secrets, now)
        groups: dict[int, list[int]] = {}  # places of secrets, by scheme
        for place, secret in enumerate(secrets):
            if is_active(secret, now) and (index := self._index(secret.value)) is not None:
                groups.setdefault(index, []).append(place)
        refusal = BadSignature("no_secret")
        for index, places in groups.items():
            group = [secrets[place] for place in places]
            try:
                proof = self.by_secret[index][1].verify(request, group, now, keys)
                at = None if proof.place is None else places[proof.place]
                return replace(proof, place=at)
            except BadSignature as error:
                # the least specific reason: the refusal of another group says more
                if error.reason != "no_secret":
                    refusal = error
        raise refusal

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` signed by the scheme of `secret`. Raise ValueError without one."""
        if (index := self._index(secret)) is None:
            raise ValueError(self._starts())
        return self.by_secret[index][1].sign(request, secret, now)

    def secret_problem(self, secret: str) -> str | None:
        """Return why `secret` is unusable, without quoting it, or None."""
        index = self._index(secret)
        return self._starts() if index is None else self.by_secret[index][1].secret_problem(secret)

    def _index(self, secret: str) -> int | None:
        return next(
            (index for index, (start, _) in enumerate(self.by_secret) if secret.startswith(start)),
            None,
        )

    def _starts(self) -> str:
        return "the secret must start with " + " or ".join(start for start, _ in self.by_secret)


@dataclass(frozen=True, kw_only=True)
class HeaderSets:
    """The same scheme under several sets of header names, with different prefixes, never mixed.

    The first set of which any header is present is checked. So the headers of an earlier set are
    signed if present, and a row may read the event's id from the sets in the same order. `usual`:
    the index of the set to sign with.
    """

    sets: tuple[tuple[str, Scheme], ...]
    usual: int = 0
    credentials: tuple[str, ...] = field(init=False, repr=False, compare=False)

    needs_secret = True

    def __post_init__(self) -> None:
        names = [name for _, scheme in self.sets for name in scheme.credentials]
        object.__setattr__(self, "credentials", tuple(dict.fromkeys(names)))

    def verify(
        self, request: Request, secrets: Sequence[Secret], now: float, keys: KeySource = NO_KEYS
    ) -> Proof:
        """Verify `request` with a secret that is active at `now` and return the proof.

        Raise BadSignature, and nothing else, if it is invalid.
        """
        for start, scheme in self.sets:
            if any(name.startswith(start) for name in request.headers):
                return scheme.verify(request, secrets, now, keys)
        active_secrets(secrets, now)
        raise BadSignature("missing")

    def sign(self, request: Request, secret: str, now: float) -> Request:
        """Return `request` signed under the usual set of names."""
        return self.sets[self.usual][1].sign(request, secret, now)

    def secret_problem(self, secret: str) -> str | None:
        """Return why `secret` is unusable, without quoting it, or None."""
        return self.sets[0][1].secret_problem(secret)
