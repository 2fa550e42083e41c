"""Build `sources`, with the signing schemes and secrets that verify their requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bridge.config.build.declared_source import DeclaredSource
from bridge.config.build.forms import FORM_ONLY_KEYS, build_form, find_max_body
from bridge.config.build.json_schemas import Schemas
from bridge.config.build.retention import build_retention
from bridge.config.problems import Path, Report
from bridge.config.valid_document import ValidDocument
from bridge.core.locators import compile_locator
from bridge.core.masking import Redaction
from bridge.core.model import OWN_SOURCE_NAME
from bridge.core.rate_limits import Rate
from bridge.core.retention import Retention
from bridge.core.typos import suggest
from bridge.ingest.redaction import compile_redaction
from bridge.providers.model import EventBatch, masked_locators
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.header_formats import Pairs, Plain
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.pairs import is_pair
from bridge.providers.signatures.pins import with_pins
from bridge.providers.signatures.scheme import MAX_SECRETS, Scheme, Secret
from bridge.providers.signatures.shared_token import SharedToken, Unsigned
from bridge.providers.signatures.timestamps import Timestamp
from bridge.routing.model import Source

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
    places = [
        (kind, name)
        for kind in ("header", "query", "label")
        if (name := getattr(verify, kind, None)) and (kind != "label" or more)
    ]
    if len(places) != 1:
        raise ValueError(
            f"needs one of {', '.join(('header', 'query', *more))}, found {len(places)}"
        )
    return f"{places[0][0]}:{places[0][1]}"


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
    declared_secrets: list[tuple[Path, Any]] = []
    if model.secret is not None:
        declared_secrets.append(((*path, "secret"), model.secret))
    declared_secrets += [
        ((*path, "secrets", index), entry) for index, entry in enumerate(model.secrets or [])
    ]
    secrets = []
    for where, secret in declared_secrets[:MAX_SECRETS]:
        value, not_after = (
            (secret, None) if isinstance(secret, str) else (secret.value, secret.not_after)
        )
        at = where if isinstance(secret, str) else (*where, "value")
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


DEFAULT_FORM_RATES = (Rate(count=60, per=60.0), Rate(count=10, per=60.0))  # in all, and per address
PUBLIC_DAILY_BYTES = 64 * 1024 * 1024  # of a source without verification
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def build_sources(
    document: ValidDocument, schemas: Schemas, retention: Retention, report: Report
) -> dict[str, Source]:
    """Return the sources by name; `retention` is the default."""
    sources = {}
    for name, model in document.sources.items():
        path: Path = ("sources", name)
        if not NAME_PATTERN.fullmatch(name):
            report.add(
                path,
                f"`{name}` is not a name for a URL; allowed: letters, digits, - _",
                key=True,
            )
        if name == OWN_SOURCE_NAME:
            report.add(
                path,
                f"`{OWN_SOURCE_NAME}` is the source of flowbridge's own alerts; give this one"
                " another name",
                key=True,
            )
            continue
        provider = PROVIDERS.get(model.provider)
        if provider is None:
            report.add(
                (*path, "provider"),
                f"no provider `{model.provider}`; {suggest(model.provider, PROVIDERS)}`flowbridge"
                f" providers` lists all {len(PROVIDERS)}",
            )
            continue
        declared = DeclaredSource(name, model, provider, document, report)
        source = _build_source(declared, schemas, retention)
        if source is not None:
            sources[name] = source
    return sources


def _build_source(
    declared: DeclaredSource, schemas: Schemas, retention: Retention
) -> Source | None:
    model = declared.model
    provider = declared.provider
    is_form = provider.name == "form"
    _check_keys(declared, is_form)
    scheme = build_scheme(declared)
    if scheme is None:
        return None
    secrets = () if is_form else build_secrets(declared, scheme)
    rate, per_address = _build_rates(declared, is_form)
    batch = _build_batch(declared)
    form = build_form(declared, schemas) if is_form else None
    return Source(
        name=declared.name,
        provider=provider,
        scheme=scheme,
        secrets=secrets,
        insecure=model.insecure,
        event_type=_check_locators(declared, "event_type") or provider.event_type,
        event_id=_check_locators(declared, "event_id") or provider.event_id,
        credentials=masked_locators(provider, scheme, batch),
        redact=_build_redaction(declared),
        dedup=model.dedup,
        dedup_for=model.dedup_for,
        batch=batch,
        max_body=find_max_body(declared, form),
        daily_bytes=model.daily_bytes
        or (PUBLIC_DAILY_BYTES if isinstance(scheme, Unsigned) else None),
        max_depth=model.max_depth,
        rate=rate,
        rate_per_address=per_address,
        form=form,
        expect=model.expect,
        retention=build_retention(
            model.retention or {}, retention, (*declared.path, "retention"), declared.report
        ),
    )


def _build_redaction(declared: DeclaredSource) -> Redaction | None:
    if declared.model.redact is None:
        return None
    if declared.provider.body.startswith("jwt"):
        declared.add(
            "redact",
            f"the body of {declared.provider.name} is a token, which cannot be stored in part",
            key=True,
        )
    try:
        return compile_redaction(declared.model.redact)
    except ValueError as error:
        declared.add("redact", str(error))
        return None


def _build_batch(declared: DeclaredSource) -> EventBatch | None:
    """Return the place of the list of events: the source's `split`, or the provider's."""
    text = declared.model.split
    if text is None:
        return declared.provider.batch
    path = (
        text.removeprefix("body").removeprefix(":")
        if text == "body" or text.startswith("body:")
        else None
    )
    if path is None or (path and "" in path.split(".")):
        declared.add(
            "split",
            f"`{text[:60]}` is not the place of a list; write body:PATH, or body where the body is"
            " the list",
        )
        return None
    return EventBatch(path)


def _check_keys(declared: DeclaredSource, is_form: bool) -> None:
    name = declared.provider.name
    for key in FORM_ONLY_KEYS:
        if declared.has(key) and not is_form:
            declared.add(
                key, f"`{key}` is only for the provider form, this source's is {name}", key=True
            )
    for key in (*SECRET_KEYS, "verify", "insecure"):
        if declared.has(key) and is_form:
            declared.add(
                key,
                "forms are public by nature: nothing is verified, so there is no `" + key + "`",
                key=True,
            )
    if declared.has("verify") and not is_form and name not in VERIFY_PROVIDERS:
        declared.add(
            "verify",
            f"`verify` is only for the providers {', '.join(VERIFY_PROVIDERS)}; {name} has a scheme"
            " of its own",
            key=True,
        )
    if all(map(declared.has, SECRET_KEYS)):
        declared.add("secrets", "either `secret` or `secrets`, not both", key=True)


def _build_rates(declared: DeclaredSource, is_form: bool) -> tuple[Rate | None, Rate | None]:
    rates: Any = declared.model.rate
    if rates is None:
        return DEFAULT_FORM_RATES if is_form else (None, None)
    rate, per_address = rates
    if not is_form:
        if per_address is not None:
            declared.add(
                "rate",
                "a rate per address is only for forms: other senders call from few addresses",
            )
        return rate, None
    return rate, per_address or DEFAULT_FORM_RATES[1]


def _check_locators(declared: DeclaredSource, key: str) -> tuple[str, ...]:
    texts: tuple[str, ...] = declared.get(key) or ()
    for text in texts:
        try:
            compile_locator(text)
        except ValueError as error:
            declared.add(key, str(error))
    return texts
