"""`sources` of the document into records: provider, scheme, secrets, and what only forms have."""

from __future__ import annotations

import re
from typing import Any

from bridge.config.build.forms import FORM_ONLY, build_form, largest_body
from bridge.config.build.json_schemas import Schemas
from bridge.config.build.retention import retained
from bridge.config.build.written import Written
from bridge.config.problems import Path, Report
from bridge.config.schema.sources import TimestampSchema, VerifySchema
from bridge.config.validation import Usable
from bridge.core.locators import compile_locator
from bridge.core.masking import Redaction
from bridge.core.rate_limits import Rate
from bridge.core.retention import Retention
from bridge.ingest.redaction import compile_redaction
from bridge.providers.model import Batch, masked
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.header_formats import Pairs, Plain
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.pairs import is_pair
from bridge.providers.signatures.pins import pinned
from bridge.providers.signatures.scheme import MAX_SECRETS, Scheme, Secret
from bridge.providers.signatures.shared_token import Token, Unsigned
from bridge.providers.signatures.timestamps import Timestamp
from bridge.routing.expressions.roots import near
from bridge.routing.model import OWN, Source

SHORT = 16  # characters of a secret that can be guessed
FORM_RATES = (Rate(count=60, per=60.0), Rate(count=10, per=60.0))  # in all, and per address
PUBLIC_DAILY_BYTES = 64 * 1024 * 1024  # of a source to which anyone may send
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")

_SECRET_KEYS = ("secret", "secrets")
_VERIFIED = ("hmac", "token")


def build_sources(
    document: Usable, schemas: Schemas, retention: Retention, report: Report
) -> dict[str, Source]:
    """Return the sources by name. `retention` is that of those who do not say theirs."""
    sources = {}
    for name, model in document.sources.items():
        path: Path = ("sources", name)
        if not NAME.fullmatch(name):
            report.add(
                path,
                f"`{name}` is not a name that can stand in a URL; allowed: letters, digits, - _",
                key=True,
            )
        if name == OWN:
            report.add(
                path,
                f"`{OWN}` is the source of flowbridge's own alerts; give this one another name",
                key=True,
            )
            continue
        provider = PROVIDERS.get(model.provider)
        if provider is None:
            report.add(
                (*path, "provider"),
                f"no provider `{model.provider}`; {near(model.provider, PROVIDERS)}`flowbridge"
                f" providers` lists all {len(PROVIDERS)}",
            )
            continue
        source = _source(Written(name, model, provider, report), schemas, retention)
        if source is not None:
            sources[name] = source
    return sources


def _source(written: Written, schemas: Schemas, retention: Retention) -> Source | None:
    model = written.model
    provider = written.provider
    is_form = provider.name == "form"
    _check_keys(written, is_form)
    scheme = _scheme(written)
    if scheme is None:
        return None
    secrets = () if is_form else _secrets(written, scheme)
    rate, per_address = _rates(written, is_form)
    batch = _batch(written)
    form = build_form(written, schemas) if is_form else None
    return Source(
        name=written.name,
        provider=provider,
        scheme=scheme,
        secrets=secrets,
        insecure=model.insecure,
        event_type=_locators(written, "event_type") or provider.event_type,
        event_id=_locators(written, "event_id") or provider.event_id,
        credentials=masked(provider, scheme, batch),
        redact=_redaction(written),
        dedup=model.dedup,
        dedup_for=model.dedup_for,
        batch=batch,
        max_body=largest_body(written, form),
        daily_bytes=model.daily_bytes
        or (PUBLIC_DAILY_BYTES if isinstance(scheme, Unsigned) else None),
        max_depth=model.max_depth,
        rate=rate,
        rate_per_address=per_address,
        form=form,
        expect=model.expect,
        retention=retained(
            model.retention or {}, retention, (*written.path, "retention"), written.report
        ),
    )


def _redaction(written: Written) -> Redaction | None:
    if written.model.redact is None:
        return None
    if written.provider.body.startswith("jwt"):
        written.add(
            "redact",
            f"the body of {written.provider.name} is a token, which cannot be kept in part",
            key=True,
        )
    try:
        return compile_redaction(written.model.redact)
    except ValueError as error:
        written.add("redact", str(error))
        return None


def _batch(written: Written) -> Batch | None:
    """Return where the list of events stands: the source's `split`, or what the provider's row
    says.
    """
    text = written.model.split
    if text is None:
        return written.provider.batch
    path = (
        text.removeprefix("body").removeprefix(":")
        if text == "body" or text.startswith("body:")
        else None
    )
    if path is None or (path and "" in path.split(".")):
        written.add(
            "split",
            f"`{text[:60]}` is no place of a list; write body:PATH, or body where the body is the"
            " list",
        )
        return None
    return Batch(path)


def _check_keys(written: Written, is_form: bool) -> None:
    name = written.provider.name
    for key in FORM_ONLY:
        if written.has(key) and not is_form:
            written.add(
                key, f"`{key}` is only for the provider form, this source's is {name}", key=True
            )
    for key in (*_SECRET_KEYS, "verify", "insecure"):
        if written.has(key) and is_form:
            written.add(
                key,
                "forms are public by nature: nothing is verified, so there is no `" + key + "`",
                key=True,
            )
    if written.has("verify") and not is_form and name not in _VERIFIED:
        written.add(
            "verify",
            f"`verify` is only for the providers {', '.join(_VERIFIED)}; {name} has a scheme of"
            " its own",
            key=True,
        )
    if all(map(written.has, _SECRET_KEYS)):
        written.add("secrets", "either `secret` or `secrets`, not both", key=True)


def _scheme(written: Written) -> Scheme | None:
    """Return how the source's requests are verified, or None where that cannot be told (and has
    been complained of).
    """
    model = written.model
    provider = written.provider
    has_secret = any(written.has(key) or written.is_settled(key) for key in _SECRET_KEYS)
    if provider.name == "form":
        return Unsigned()
    if model.insecure:
        if has_secret:
            written.add(
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
        written.report.add(
            written.path,
            "has no secret, so anyone could send; give it `secret: ${env:NAME}`, or say `insecure:"
            " true`",
            key=True,
        )
    if model.verify is not None and provider.name in _VERIFIED:
        try:
            return (
                _token(model.verify, written) if provider.name == "token" else _hmac(model.verify)
            )
        except ValueError as error:
            filled = written.report.is_filled((*written.path, "verify"))
            written.add(
                "verify",
                "cannot be used; what was filled in is not shown" if filled else str(error),
            )
            return None
    if provider.scheme is None and not written.is_settled("verify"):
        written.report.add(
            written.path,
            f"the provider {provider.name} needs `verify`: where the signature stands and what is"
            " signed",
            key=True,
        )
    return _pinned(written, provider.scheme) if provider.scheme is not None else None


def _pinned(written: Written, scheme: Scheme) -> Scheme | None:
    """Return the scheme with the source's `pins`: what a good signature alone does not tell."""
    if written.is_settled("pins"):
        return scheme
    try:
        return pinned(scheme, written.model.pins or {})
    except ValueError as error:
        if written.model.pins is None:
            written.report.add(
                written.path,
                f"the provider {written.provider.name} {error}; say it under `pins:`",
                key=True,
            )
        else:
            written.add("pins", str(error))
        return None


def _place(verify: VerifySchema | TimestampSchema, *more: str) -> str:
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


def _hmac(verify: VerifySchema) -> Scheme:
    time = verify.timestamp
    if "separator" in verify.model_fields_set and not verify.label:
        raise ValueError(
            "`separator` belongs to a list, which needs the `label` of the signature too"
        )
    return Hmac(
        at=_place(verify),
        prefix=verify.prefix or "",
        algorithm=verify.algorithm,
        encoding=verify.encoding,
        key=verify.key,
        parse=Pairs(verify.label, separator=verify.separator) if verify.label else Plain(),
        signed=tuple(verify.signed),
        timestamp=(
            Timestamp(_place(time, "label"), unit=time.unit, tolerance=float(time.tolerance))
            if time
            else None
        ),
    )


def _token(verify: VerifySchema, written: Written) -> Scheme:
    other = verify.model_fields_set - {"header", "query", "prefix"}
    for key in sorted(other):
        written.report.add(
            (*written.path, "verify", key),
            f"`{key}` is for the provider hmac; a token has header or query, and prefix",
            key=True,
        )
    return Token(at=_place(verify), prefix=verify.prefix or "")


def _secrets(written: Written, scheme: Scheme) -> tuple[Secret, ...]:
    model = written.model
    path = written.path
    given: list[tuple[Path, Any]] = []
    if model.secret is not None:
        given.append(((*path, "secret"), model.secret))
    given += [((*path, "secrets", index), each) for index, each in enumerate(model.secrets or [])]
    secrets = []
    for where, each in given[:MAX_SECRETS]:
        value, not_after = (each, None) if isinstance(each, str) else (each.value, each.not_after)
        at = where if isinstance(each, str) else (*where, "value")
        if at in written.report.settled:  # a part of it is missing: the rest could be guessed
            continue
        problem = scheme.secret_problem(value)
        if not value.strip():
            written.report.add(at, "an empty secret")
            continue
        doubt = written.provider.doubt_of_secret(value.strip())
        if problem:
            written.report.add(at, problem)
        elif doubt is not None:
            written.report.add(at, doubt, level="warning")
        elif len(value) < SHORT:
            written.report.add(
                at,
                f"a short secret can be guessed: {len(value)} characters, better {SHORT} or more",
                level="warning",
            )
        if scheme.needs_secret and not is_pair(scheme, value) and not written.report.is_filled(at):
            name = re.sub(r"[^A-Z0-9]+", "_", f"{written.name}_WEBHOOK_SECRET".upper())
            advice = f"put it into .env as {name} and write ${{env:{name}}}"
            written.report.add(
                at,
                f"this secret is readable by everyone who reads this file: {advice}",
                level="warning",
            )
        secrets.append(Secret(value, None if not_after is None else float(not_after)))
    return tuple(secrets)


def _rates(written: Written, is_form: bool) -> tuple[Rate | None, Rate | None]:
    given: Any = written.model.rate
    if given is None:
        return FORM_RATES if is_form else (None, None)
    rate, per_address = given
    if not is_form:
        if per_address is not None:
            written.add(
                "rate",
                "a rate per address is only for forms: other senders call from few addresses",
            )
        return rate, None
    return rate, per_address or FORM_RATES[1]


def _locators(written: Written, key: str) -> tuple[str, ...]:
    texts: tuple[str, ...] = written.get(key) or ()
    for text in texts:
        try:
            compile_locator(text)
        except ValueError as error:
            written.add(key, str(error))
    return texts
