"""The signer of a sample: a source of routes.yaml, or a provider alone, with the secret to use."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.core.errors import InvalidRequest
from bridge.core.locators import compile_locator
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.pairs import is_pair
from bridge.providers.signatures.pins import Pin, with_pins
from bridge.providers.signatures.shared_token import Unsigned
from bridge.services.samples.forgeries import Signer
from bridge.services.samples.secrets import (
    SecretPair,
    new_pins,
    new_provider_secret,
    signing_text,
)
from bridge.services.samples.signing import live_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.routing.model import Source


@dataclass(frozen=True, slots=True)
class ChosenSigner:
    """The signer of a sample.

    `note`: a sentence about a generated secret; empty where none was generated. `generated` and
    `pins`: what a source needs to accept the sample, where that should be shown.
    """

    signer: Signer
    note: str = ""
    generated: SecretPair | None = None
    pins: Mapping[str, str] = field(default_factory=dict)


def choose_signer(
    sources: Mapping[str, Source], file: Path, name: str, secret: str | None, *, made_up: bool
) -> ChosenSigner:
    """Return the signer for `name`: the source of that name, else the first source of that
    provider, else the provider alone.

    `file`: the routes.yaml of `sources`. `made_up`: sign with a generated secret. Raises
    `InvalidRequest` where nothing has the name, or the source has no secret to sign with.
    """
    from bridge.core.typos import suggest
    from bridge.providers.registry import PROVIDERS

    source = sources.get(name) or next(
        (candidate for candidate in sources.values() if candidate.provider.name == name), None
    )
    if source is not None:
        return _of_source(source, secret, made_up=made_up)
    if name not in PROVIDERS:
        names = [*sources, *(provider for provider in PROVIDERS if provider not in sources)]
        listing = f"; sources: {', '.join(sources)}" if sources else ""
        raise InvalidRequest(
            f"there is no source or provider {name!r}; {suggest(name, names)}`flowbridge providers`"
            f" lists all{listing}"
        )
    row = PROVIDERS[name]
    scheme = row.scheme or Hmac(at="header:X-Signature")
    pins = new_pins(scheme, lambda pin: _said(name, pin))
    scheme = with_pins(scheme, pins)
    if isinstance(scheme, Unsigned):
        return ChosenSigner(Signer(name, row, scheme, ""))
    if secret is None:
        made = new_provider_secret(row, scheme)
        what = "a key pair" if is_pair(scheme) else "a secret"
        note = (
            f"{_explain_no_source(file, name)}: signed with {what} generated for this sample"
            " (use another with --secret)"
        )
        revealed = made if is_pair(scheme) or made_up else None
        return ChosenSigner(Signer(name, row, scheme, made.signs), note, revealed, pins)
    return ChosenSigner(Signer(name, row, scheme, signing_text(scheme, secret)))


def _of_source(source: Source, secret: str | None, *, made_up: bool) -> ChosenSigner:
    name = source.name
    title = source.provider.title
    scheme = source.scheme
    if isinstance(scheme, Unsigned):
        return ChosenSigner(Signer(name, source.provider, scheme, "", configured=source))
    own = next(iter(live_secrets(source)), "")
    if made_up or not (secret or own or scheme.needs_secret):
        made = new_provider_secret(source.provider, scheme, own)
        keys = (
            "its secret is this"
            if own or scheme.needs_secret
            else f"it has this secret in place of the keys that {title} publishes"
        )
        note = (
            f"Signed with a secret generated for this sample: the source {name} refuses it, unless"
            f" {keys}."
        )
        signer = Signer(name, source.provider, scheme, made.signs, configured=source)
        return ChosenSigner(signer, note, made)
    if secret:
        verified_by = source.secrets if is_pair(scheme, own) else ()
        text = signing_text(scheme, secret)
        return ChosenSigner(
            Signer(name, source.provider, scheme, text, verified_by, configured=source)
        )
    if not own:
        raise InvalidRequest(_why_none(source))
    if is_pair(scheme, own):
        raise InvalidRequest(
            f"{title} signs with a private key that only it has; the key of the source {name!r}"
            " only verifies. Pass --secret PRIVATE (the key, or @FILE), or --made-up to generate a"
            " key pair"
        )
    return ChosenSigner(Signer(name, source.provider, scheme, own, configured=source))


def _why_none(source: Source) -> str:
    """Return why a source has no secret to sign with, with the next step."""
    if source.provider.learn:
        until = f"until {source.provider.title} delivers it (flowbridge learn {source.name})"
        return f"the source {source.name!r} has no secret {until}; pass --secret"
    if any(secret.value for secret in source.secrets):
        return f"all secrets of the source {source.name!r} have expired (not_after); pass --secret"
    if source.missing is None:
        return f"the source {source.name!r} has no secret; pass --secret"
    return (
        f"the secret of the source {source.name!r} cannot be read: {source.missing}. Set it in"
        " .env (--made-up generates one to try it), or pass --secret"
    )


def _said(provider: str, pin: Pin) -> str | None:
    """Return the value of a pin in the provider's sample."""
    from bridge.providers.samples.loader import sample as unsigned
    from bridge.providers.signatures.request_view import RequestView

    if ":" not in pin.at:  # a part of the signed text, or a claim of a token
        return None
    return RequestView(unsigned(provider, now=time.time(), new_id="sample")).find(
        compile_locator(pin.at)
    )


def _explain_no_source(file: Path, name: str) -> str:
    if not file.exists():
        return f"there is no {file.name} in {file.absolute().parent}"
    return f"routes.yaml has no source for {name}"
