"""Where the proof of a scheme is in a request, and which values it covers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bridge.core.locators import Locator
from bridge.providers.signatures.alternatives import HeaderSets, SchemeBySecret
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.per_item import SignedItems
from bridge.providers.signatures.scheme import Scheme
from bridge.providers.signatures.setup_secret import SetupSecret
from bridge.providers.signatures.shared_token import BasicAuth, SharedToken, Unsigned
from bridge.providers.signatures.signed_scheme import SignedScheme
from bridge.providers.signatures.signed_template import SignedTemplate


def leaf_schemes(scheme: Scheme) -> Iterator[Scheme]:
    """Yield the schemes of a choice; the scheme itself if it is not a choice."""
    parts = (
        [variant for _, variant in scheme.by_secret] if isinstance(scheme, SchemeBySecret) else []
    )
    parts += [variant for _, variant in scheme.sets] if isinstance(scheme, HeaderSets) else []
    for part in parts:
        yield from leaf_schemes(part)
    if not parts:
        yield scheme


def proof_locators(scheme: Scheme) -> tuple[str, ...]:
    """Return the locators of signatures, tokens and passwords.

    There are none if each element of a list has its own, or if the body is the token.
    """
    locators: list[str] = []
    for leaf in leaf_schemes(scheme):
        if isinstance(leaf, SignedScheme):
            locators += map(str, leaf.compiled.at)
        elif isinstance(leaf, Jwt):
            locators += () if leaf.wraps else (str(leaf.compiled),)
        else:
            locators += leaf.credentials
    return tuple(dict.fromkeys(locators))


def covers_content(scheme: Scheme) -> bool:
    """Return whether a scheme covers any content of a request; tokens and passwords do not."""
    return (
        bool(scheme.body_hash or scheme.wraps)
        if isinstance(scheme, Jwt)
        else not isinstance(scheme, SharedToken | BasicAuth | Unsigned | SetupSecret)
    )


def covers(scheme: Scheme, locator: Locator) -> bool:
    """Return whether the value at `locator` is signed in every variant of the scheme."""
    if isinstance(scheme, SignedItems):
        return covers(scheme.scheme, locator)
    # a header decides which set of names is checked
    if isinstance(scheme, HeaderSets):
        own = [
            variant
            for start, variant in scheme.sets
            if locator.kind == "header" and locator.name.startswith(start)
        ]
        return all(
            covers(variant, locator) for variant in own or [variant for _, variant in scheme.sets]
        )
    signing = [leaf for leaf in leaf_schemes(scheme) if covers_content(leaf)]
    return bool(signing) and all(_covers(leaf, locator) for leaf in signing)


def _covers(scheme: Scheme, locator: Locator) -> bool:
    if isinstance(scheme, Jwt):
        return locator.kind in ("body", "form")
    if not isinstance(scheme, SignedScheme):
        return False
    at_time = scheme.compiled.time_at == locator
    return all(
        COVERAGE_CHECKS[locator.kind](signed, locator.name, bool(scheme.body_sha256))
        or (at_time and "timestamp" in signed.parts)
        for signed in scheme.compiled.signed
    )


def _covers_field(signed: SignedTemplate, name: str, kind: str, is_hashed: bool) -> bool:
    listed = [part[6:].split(",") for part in signed.parts if part.startswith("lines:")]
    lines = {line.removesuffix("?") for names in listed for line in names}
    whole = signed.covers_body or signed.form_only or is_hashed
    return (
        whole
        or f"{kind}:{name}" in signed.parts
        or f"{kind}:{name}?" in signed.parts
        or name in lines
    )


PARTS_WITH_QUERY = ("url", "url_other_port", "url_unescaped", "canonical_uri", "query")
#: For each kind of locator: whether a template covers that name. The last argument: the body's hash
#: has to be in the request.
COVERAGE_CHECKS: Mapping[str, Callable[[SignedTemplate, str, bool], bool]] = {
    "header": (
        lambda signed, name, _: (
            name in signed.headers or any(name in (at, *must) for at, must in signed.lists.items())
        )
    ),
    "query": lambda signed, name, _: bool(signed.parts & {*PARTS_WITH_QUERY, f"q:{name}"}),
    "form": lambda signed, name, is_hashed: _covers_field(signed, name, "f", is_hashed),
    "body": lambda signed, name, is_hashed: _covers_field(signed, name, "json", is_hashed),
}


def signs_url(scheme: Scheme) -> bool:
    """Return whether the URL is signed."""
    signing = (leaf for leaf in leaf_schemes(scheme) if isinstance(leaf, SignedScheme))
    return any(
        part.startswith("url")
        for leaf in signing
        for signed in leaf.compiled.signed
        for part in signed.parts
    )
