"""Build the verification of a source: its scheme and its secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bridge.config.build.declared_source import DeclaredSource
from bridge.config.problems import Path
from bridge.providers.signatures.header_formats import Pairs, Plain
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.pairs import is_pair
from bridge.providers.signatures.pins import with_pins
from bridge.providers.signatures.scheme import MAX_SECRETS, Scheme, Secret
from bridge.providers.signatures.shared_token import SharedToken, Unsigned
from bridge.providers.signatures.timestamps import Timestamp

if TYPE_CHECKING:
    from bridge.config.schema.sources import TimestampSchema, VerifySchema

MIN_SECRET_LENGTH = 16  # characters; a shorter secret can be guessed
SECRET_KEYS = ("secret", "secrets")
VERIFY_PROVIDERS = ("hmac", "token")


def build_scheme(declared: DeclaredSource) -> Scheme | None:
    """Return the scheme that verifies the source's requests, or None after reporting a problem."""
    model = declared.model
    provider = declared.provider
    has_secret = any(declared.has(key) or declared.is_settled(key) for key in SECRET_KEYS)
    if provider.name == "form":
        return Unsigned()
    if model.insecure:
        if has_secret:
            declared.add(
                "insecure",
                "either a secret or `insecure: true`: with both, anyone could send",
                key=True,
            )
        return Unsigned()
    if (
        not has_secret
        and provider.learn is None
        and (provider.scheme is None or provider.scheme.needs_secret)
    ):
        declared.report.add(
            declared.path,
            "has no secret, so anyone could send; set `secret: ${env:NAME}`, or `insecure: true`",
            key=True,
        )
    if model.verify is not None and provider.name in VERIFY_PROVIDERS:
        try:
            return (
                _build_token(model.verify, declared)
                if provider.name == "token"
                else _build_hmac(model.verify)
            )
        except ValueError as error:
            filled = declared.report.is_filled((*declared.path, "verify"))
            declared.add(
                "verify",
                "cannot be used (the value from the environment or a file is not shown)"
                if filled
                else str(error),
            )
            return None
    if provider.scheme is None and not declared.is_settled("verify"):
        declared.report.add(
            declared.path,
            f"the provider {provider.name} needs `verify`: where the signature is and what is"
            " signed",
            key=True,
        )
    return _pin_scheme(declared, provider.scheme) if provider.scheme is not None else None


def _pin_scheme(declared: DeclaredSource, scheme: Scheme) -> Scheme | None:
    """Return the scheme with the source's `pins`, which a valid signature alone does not prove."""
    if declared.is_settled("pins"):
        return scheme
    try:
        return with_pins(scheme, declared.model.pins or {})
    except ValueError as error:
        if declared.model.pins is None:
            declared.report.add(
                declared.path,
                f"the provider {declared.provider.name} {error}; add it under `pins:`",
                key=True,
            )
        else:
            declared.add("pins", str(error))
        return None


def _locator(verify: VerifySchema | TimestampSchema, *more: str) -> str:
    given = [
        (kind, name)
        for kind in ("header", "query", "label")
        if (name := getattr(verify, kind, None)) and (kind != "label" or more)
    ]
    if len(given) != 1:
        raise ValueError(
            f"needs one of {', '.join(('header', 'query', *more))}, found {len(given)}"
        )
    return f"{given[0][0]}:{given[0][1]}"


def _build_hmac(verify: VerifySchema) -> Scheme:
    time = verify.timestamp
    if "separator" in verify.model_fields_set and not verify.label:
        raise ValueError(
            "`separator` belongs to a list, which needs the `label` of the signature too"
        )
    return Hmac(
        at=_locator(verify),
        prefix=verify.prefix or "",
        algorithm=verify.algorithm,
        encoding=verify.encoding,
        key=verify.key,
        parse=Pairs(verify.label, separator=verify.separator) if verify.label else Plain(),
        signed=tuple(verify.signed),
        timestamp=(
            Timestamp(_locator(time, "label"), unit=time.unit, tolerance=float(time.tolerance))
            if time
            else None
        ),
    )


def _build_token(verify: VerifySchema, declared: DeclaredSource) -> Scheme:
    other = verify.model_fields_set - {"header", "query", "prefix"}
    for key in sorted(other):
        declared.report.add(
            (*declared.path, "verify", key),
            f"`{key}` is for the provider hmac; a token has header or query, and prefix",
            key=True,
        )
    return SharedToken(at=_locator(verify), prefix=verify.prefix or "")


def build_secrets(declared: DeclaredSource, scheme: Scheme) -> tuple[Secret, ...]:
    model = declared.model
    path = declared.path
    given: list[tuple[Path, Any]] = []
    if model.secret is not None:
        given.append(((*path, "secret"), model.secret))
    given += [((*path, "secrets", index), each) for index, each in enumerate(model.secrets or [])]
    secrets = []
    for where, each in given[:MAX_SECRETS]:
        value, not_after = (each, None) if isinstance(each, str) else (each.value, each.not_after)
        at = where if isinstance(each, str) else (*where, "value")
        if (
            at in declared.report.settled
        ):  # part of it is missing, so a warning about the rest would be wrong
            continue
        problem = scheme.secret_problem(value)
        if not value.strip():
            declared.report.add(at, "an empty secret")
            continue
        doubt = declared.provider.doubt_of_secret(value.strip())
        if problem:
            declared.report.add(at, problem)
        elif doubt is not None:
            declared.report.add(at, doubt, level="warning")
        elif len(value) < MIN_SECRET_LENGTH:
            declared.report.add(
                at,
                f"a short secret can be guessed: found {len(value)} characters;"
                f" use {MIN_SECRET_LENGTH} or more",
                level="warning",
            )
        if scheme.needs_secret and not is_pair(scheme, value) and not declared.report.is_filled(at):
            name = re.sub(r"[^A-Z0-9]+", "_", f"{declared.name}_WEBHOOK_SECRET".upper())
            advice = f"put it into .env as {name} and write ${{env:{name}}}"
            declared.report.add(
                at,
                f"this secret is readable by anyone with access to this file: {advice}",
                level="warning",
            )
        secrets.append(Secret(value, None if not_after is None else float(not_after)))
    return tuple(secrets)
