"""Where in a request a scheme looks for its proof. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.signatures.aside import Aside
from bridge.signatures.choice import AnyOf, HeaderSets
from bridge.signatures.envelope import Envelope
from bridge.signatures.jwt import Jwt
from bridge.signatures.scheme import Scheme
from bridge.signatures.static import Basic, Token, Unsigned


def leaves(scheme: Scheme) -> Iterator[Scheme]:
    """Yield the schemes that a choice is made of; itself where it is no choice."""
    parts = [one for _, one in scheme.by_secret] if isinstance(scheme, AnyOf) else []
    parts += [one for _, one in scheme.sets] if isinstance(scheme, HeaderSets) else []
    for part in parts:
        yield from leaves(part)
    if not parts:
        yield scheme


def proofs(scheme: Scheme) -> tuple[str, ...]:
    """Return the locators of signatures, tokens and passwords; none where each element of a list has its own, or the body is the token."""
    found: list[str] = []
    for one in leaves(scheme):
        if isinstance(one, Envelope):
            found += map(str, one.compiled.at)
        elif isinstance(one, Jwt):
            found += () if one.wraps else (str(one.compiled),)
        else:
            found += one.credentials
    return tuple(dict.fromkeys(found))


def covers_content(scheme: Scheme) -> bool:
    """Return whether a scheme that is no choice covers anything of what a request says; a token and a password do not."""
    return bool(scheme.body_hash or scheme.wraps) if isinstance(scheme, Jwt) else not isinstance(scheme, Token | Basic | Unsigned | Aside)


def signs_url(scheme: Scheme) -> bool:
    """Return whether the URL is a part of what is signed."""
    envelopes = (one for one in leaves(scheme) if isinstance(one, Envelope))
    return any(part.startswith("url") for one in envelopes for signed in one.compiled.signed for part in signed.parts)
