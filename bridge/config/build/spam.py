"""Build the `spam` of a form: blocklists and the captcha with its service."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bridge.config.addresses import is_loopback
from bridge.config.build.declared_source import DeclaredSource
from bridge.config.files import ConfigFolder
from bridge.core.errors import CompileError
from bridge.ingest.forms.spam import blocklists, captchas
from bridge.routing.form import Blocklists, Captcha, Spam

if TYPE_CHECKING:
    from bridge.config.schema.forms import CaptchaSchema, SpamSchema

BLOCKLIST_KEYS = ("block_words", "block_addresses", "block_domains")
DEFAULT_CAPTCHA_SCORE = 0.5
MAX_NAME_LENGTH = 100  # characters of a field's name


def build_spam(declared: DeclaredSource, folder: ConfigFolder, fields: Container[str]) -> Spam:
    """Return the spam checks of a form, and report their problems.

    `fields`: those in the form's JSON Schema.
    """
    model = declared.model.spam or declared.document.default_spam
    if declared.model.spam is not None and model.min_fill >= model.expires:
        declared.report.add(
            (*declared.path, "spam", "min_fill"),
            "must be shorter than `expires`: else every token is too new or too old",
        )
    return Spam(
        honeypots=_build_honeypots(declared, model, fields),
        token=model.token,
        altcha=model.altcha,
        min_fill=model.min_fill,
        expires=model.expires,
        work=model.altcha_work,
        captcha=_build_captcha(declared, model.captcha) if model.captcha is not None else None,
        blocked=_build_blocklists(declared, model, folder),
        max_links=model.max_links,
        duplicates=model.duplicates,
    )


def _build_honeypots(
    declared: DeclaredSource, model: SpamSchema, fields: Container[str]
) -> tuple[str, ...]:
    """Return the names of the honeypot fields.

    People see the fields of the schema, so such a field cannot be a honeypot.
    """
    names = tuple(dict.fromkeys(model.honeypots))
    if "honeypots" not in model.model_fields_set:
        return tuple(name for name in names if name not in fields)
    if any(not 0 < len(name) <= MAX_NAME_LENGTH for name in names):
        declared.report.add(
            (*declared.path, "spam", "honeypots"),
            f"needs names of fields of 1 to {MAX_NAME_LENGTH} characters",
        )
    for name in names:
        if name in fields:
            message = (
                f"`{name[:60]}` is a field of the schema: a person who fills it in would be marked"
                " as a bot"
            )
            declared.report.add((*declared.path, "spam", "honeypots"), message)
    return names


def _build_captcha(declared: DeclaredSource, model: CaptchaSchema) -> Captcha | None:
    path = (*declared.path, "spam", "captcha")
    row = captchas.CAPTCHA_SERVICES[model.kind]
    url = model.url or row.url
    if not _is_safe(url):
        declared.report.add(
            (*path, "url"), "needs a URL that begins with https://, or with http:// on this machine"
        )
    if model.score is not None and not row.has_score:
        scored = ", ".join(
            name for name, kind in captchas.CAPTCHA_SERVICES.items() if kind.has_score
        )
        declared.report.add(
            (*path, "score"), f"{model.kind} gives no score; allowed for: {scored}", key=True
        )
    if not model.secret.strip():
        declared.report.add((*path, "secret"), "an empty secret")
    return Captcha(
        kind=model.kind,
        url=url,
        secret=model.secret,
        site_key=model.site_key,
        score=(DEFAULT_CAPTCHA_SCORE if model.score is None else model.score)
        if row.has_score
        else None,
        action=model.action,
        hostnames=frozenset(name.lower() for name in model.hostnames or ()),
        tells_address=model.tell_address,
        holds=model.unreachable == "hold",
        timeout=model.timeout,
    )


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            url.isprintable()
            and bool(parts.hostname)
            and not parts.username
            and parts.port != 0
            and (
                parts.scheme == "https"
                or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
            )
        )
    except ValueError:
        return False


def _build_blocklists(
    declared: DeclaredSource, model: SpamSchema, folder: ConfigFolder
) -> Blocklists:
    built: dict[str, Any] = {}
    for key in BLOCKLIST_KEYS:
        path = (*declared.path, "spam", key)
        try:
            entries = _read_entries(getattr(model, key), folder)
            one = blocklists.build_blocklist(**{key.removeprefix("block_"): entries})
            built |= {
                name: value
                for name in ("phrases", "parts", "mailboxes", "domains", "networks")
                if (value := getattr(one, name))
            }
        except (ValueError, CompileError) as error:
            declared.report.add(path, str(error))
    return Blocklists(**built)


def _read_entries(listed: Any, folder: ConfigFolder) -> list[str]:
    """Return the entries of a list, or the lines of a file without comments."""
    if isinstance(listed, str):
        lines = (line.partition(" #")[0].strip() for line in folder.read_part(listed).splitlines())
        listed = [line for line in lines if line and not line.startswith("#")]
    entries = listed or []
    if len(entries) > blocklists.MAX_ENTRIES:
        raise ValueError(f"has {len(entries)} entries; allowed: {blocklists.MAX_ENTRIES}")
    if bad := next(
        (
            entry
            for entry in entries
            if not isinstance(entry, str)
            or not 0 < len(entry.strip()) <= blocklists.MAX_ENTRY_CHARS
        ),
        None,
    ):
        raise ValueError(
            f"`{str(bad)[:40]}` is not a text of 1 to {blocklists.MAX_ENTRY_CHARS} characters"
        )
    return [entry.strip() for entry in entries]
