"""Writes the parts of docs/*.md that follow from the code, between their markers: python
docs/generate.py

A part is what stands between `<!-- generated: NAME -->` and `<!-- end -->`.
tests/project/test_docs.py holds the committed files to it.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

import click

DOCS = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path.insert(0, str(DOCS.parent))  # this tree, not an installed copy of it

from bridge.api.problems import PROBLEM_TYPES as PROBLEMS
from bridge.cli.agents.tool_session import build_tools
from bridge.cli.command_choices import COMMAND_CHOICES
from bridge.cli.command_list import SECTIONS
from bridge.cli.commands.providers import EVIDENCE
from bridge.cli.main import group
from bridge.cli.options import FilterOption
from bridge.config import interpolation
from bridge.config.build import forms as form_source
from bridge.config.build import platforms, sources
from bridge.config.schema import document
from bridge.config.schema import units as amounts
from bridge.config.schema.json_schema import schema_text
from bridge.config.setting_values import DEFAULT_POOL
from bridge.config.settings import FLOWS, SETTINGS
from bridge.core import file_types, json_values, multipart, retention
from bridge.core.locators import JoinedLocators, compile_locator
from bridge.core.model import TRANSITIONS, Status
from bridge.core.scopes import SCOPE_PRESETS, SCOPE_SUMMARIES, Scope, list_scopes
from bridge.core.timings import TIMINGS
from bridge.core.units import (
    DAY,
    MIB,
)
from bridge.delivery import circuit_breaker
from bridge.delivery.platforms import gumloop
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.delivery.platforms.responses import RETRY_AFTER_MAX_SECONDS
from bridge.importers import document_reader, html_reader, kinds
from bridge.ingest import bodies, ports
from bridge.ingest.duplicates import MAX_NAME_CHARS
from bridge.ingest.forms import custom_page, nesting, parser, room
from bridge.ingest.forms.control_fields import CONTROL_FIELDS
from bridge.ingest.forms.spam import captchas
from bridge.monitoring.metrics import METRICS
from bridge.providers.catalog._shared import (
    CREDENTIAL_IN_URL,
    NOTHING_SIGNED,
    REPLAY_KNOWN_BY_BODY,
    REPLAY_KNOWN_BY_ID,
    REPLAY_UNKNOWN,
)
from bridge.providers.model import Provider
from bridge.providers.registry import CATALOG_MODULES, PROVIDERS, catalog_title
from bridge.providers.signatures.alternatives import HeaderSets, SchemeBySecret
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.jwt import Jwt
from bridge.providers.signatures.locations import covers, covers_content, leaf_schemes
from bridge.providers.signatures.per_item import SignedItems
from bridge.providers.signatures.pins import pins_of
from bridge.providers.signatures.scheme import MAX_SECRETS
from bridge.providers.signatures.setup_secret import SetupSecret
from bridge.routing import planner
from bridge.routing.form import Captcha, FieldRules
from bridge.routing.functions import (
    files,
    numeric,
    registry,
    signature,
    structure,
    text,
    times,
)
from bridge.routing.matching.operators import MAX_REGEX_TEXT, OPERATORS
from bridge.routing.schemas import validator
from bridge.routing.templates import RESERVED_INPUTS
from bridge.store.blobs import SPARE
from bridge.store.tables import encrypted
from bridge.system.http_client import MAX_ANSWER_BYTES
from bridge.torture import (
    certificate,
    fault_injection,
    plan,
    records,
)
from bridge.web.admin.endpoints import ENDPOINTS as ADMIN_ENDPOINTS
from bridge.web.forms import captcha_widgets as widgets
from bridge.web.receiving import body_reader
from bridge.web.server.event_loop import (
    commit_gatherer,
    connection,
    hook_calls,
    loop_edge,
    request_body,
)
from bridge.web.server.event_loop import worker as loop_worker
from bridge.worker import form_files as worker_form_files

# an entry leaves such a value out
UNDOCUMENTED = (
    "",
    "not known",
    "not documented",
    "depends on the sender",
)
ANY_SECRET = re.compile(r"any (long random )?text; flowbridge generates one")
SECRET_ORIGIN = re.compile(r", from (the sender|[A-Z][\w.' ]*)$")
GENERATED = re.compile(r"; flowbridge generates (one|them)\b.*")
SHAPE = re.compile(r"((?:\d+ |base64|\S*_…)[^,;:]*), (?!base64)(?:the|shown|sent) [^:]*$")
NO_TYPE = "set `event_type`"
NAMED_SECRET = re.compile(
    r"the (?:.*'s )?(\w+(?: \w+)?)(?:, shown \S.*)?"
)  # "the app's client secret"
WELL_KNOWN_START = re.compile(r"whsec_(?=… and base64$)|user:password(?= of your choice)")
NO_ID = re.compile(
    r"(There is no id(?: for an event)?:|Events have no id;) [^.]*\."
)  # as "Id" says
SHARED_LIMITS = (
    REPLAY_KNOWN_BY_ID,
    REPLAY_KNOWN_BY_BODY,
    REPLAY_UNKNOWN,
    NOTHING_SIGNED,
    CREDENTIAL_IN_URL,
    "Neither time nor id is signed: duplicates are detected by body.",
    "No time is signed.",
    "Use HTTPS.",
)
#: What the head of providers.md, or security.md, says once for all.
SHARED_PATTERNS = (
    re.compile(r"User and password are sent, nothing is signed: it does not prove [^.]*\."),
    re.compile(r"A (password|token) does not prove that the body is [^.:]*[.:]"),
    re.compile(r"[^.]*: the same body with another id is marked\."),
    re.compile(
        r"(The header with the type|(The|Its) id (is|may be) in a header that) is not signed\."
    ),
)
#: The usual: the whole body, with or without an id and a time, in a way that is strong.
STRONG_PROOFS = ("HMAC-SHA256", "HMAC-SHA512", "Ed25519", "Ed25519 or HMAC-SHA256")
WHOLE_BODY = re.compile(
    r"The body( and the time)?\.|The body, (as sent|with SHA-512)\."
    r"|The (id, the |version v\d, the )?time( in milliseconds)? and the body\."
)
STANDARDS = ("standard_webhooks",)
#: Of providers whose events get an id in another way than by a value or the body.
IDS_BY_RULE = {
    "form": "none; [its own rule](forms-reference.md#duplicate-submissions) for duplicates"
}
HOW_JOINED = re.compile(r", (joined by \w+( \w+)?|concatenated)(?=[.;]|$)")
#: Of how senders retry, the page has what costs events; `flowbridge providers` has the schedules.
TRIES_ONCE = re.compile(r"never retried|not retried|sent once|\btries once|only if", re.IGNORECASE)
AFTER_FAILURES = re.compile(
    r"disabl|delet|paus|block|revok|suspend|remov|stops|loses|skipped|no requests"
    r"|later events wait",
    re.IGNORECASE,
)
CLAUSE_END = re.compile(r", and (?!for )(?:then )?|; ")
#: Providers with a section of their own in connect.md, which has their setup.
GUIDES = {
    **{name: name for name in ("github", "stripe", "shopify", "slack")},
    **dict.fromkeys(("standard_webhooks", "svix"), "standard-webhooks-and-svix"),
    **dict.fromkeys(
        ("aws_sns", "google_pubsub", "paypal"),
        "senders-with-published-keys-and-pins-amazon-sns-paypal-pubsub",
    ),
    **dict.fromkeys(("asana", "notion"), "senders-that-deliver-their-secret-asana-notion"),
    "google_forms": "google-forms",
    "form": "an-html-form",
    "hmac": "any-sender-with-an-hmac",
    "token": "a-sender-that-signs-nothing",
}
SCHEMA = DOCS.parent / "bridge/config/schema/routes.schema.json"
PLATFORM_MODELS = ("Gumloop", "Local", "Http")
SHARED_PLATFORM_KEYS = ("timeout", "file_links")
#: Providers for senders of which flowbridge knows nothing.
ANY_SENDER = ("hmac", "token", "basic")
DEFAULT_MAX_BODY = next(one.default for one in fields(Provider) if one.name == "max_body")
MARKED = re.compile(r"(<!-- generated: ([a-z_ A-Z]+) -->\n).*?(<!-- end -->)", re.DOTALL)

# -- Markdown


def code(value: object) -> str:
    """Return a text as code, whatever backticks it holds."""
    shown = str(value)
    return f"`{shown}`" if "`" not in shown else f"`` {shown} ``"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table; what would end a cell is escaped."""
    lines = [list(head)]
    lines.append(["---"] * len(lines[0]))
    lines += [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# -- functions


def functions_table() -> str:
    """One table for each kind of function."""
    kinds = {
        "Text": text.FUNCTIONS,
        "Values, arrays and objects": structure.FUNCTIONS,
        "Numbers": numeric.FUNCTIONS,
        "Times": (*times.FUNCTIONS, registry.NOW),
        "Files": files.FUNCTIONS,
    }
    parts = []
    for title, rows in kinds.items():
        cells = (
            (
                code(row.signature),
                row.doc,
                f"{code(row.example)} → {code(text.to_json(row.result))}",
            )
            for row in rows
        )
        parts.append(f"## {title}\n\n" + table(("function", "result", "example"), cells))
    return "\n".join(parts)


# -- providers


def providers_table() -> str:
    """All providers by kind, then each."""
    parts = []
    for module in CATALOG_MODULES:
        links = ", ".join(f"[{row.title}](#{row.name})" for row in module.ROWS)
        parts.append(f"**{catalog_title(module)}:** {links}\n")
    return "\n".join([*parts, *map(_provider, PROVIDERS.values())])


def evidence_table() -> str:
    """What the words for evidence mean, and which rows have each."""
    usual = Counter(row.evidence for row in PROVIDERS.values()).most_common(1)[0][0]
    rows = []
    for name, meaning in EVIDENCE.items():
        found = [row.name for row in PROVIDERS.values() if row.evidence == name]
        rows.append(
            (code(name), meaning, "all others" if name == usual else ", ".join(map(code, found)))
        )
    return table(("evidence", "means", "providers"), rows)


def _provider(row: Any) -> str:
    """One provider. What the page says once for all of them is left out."""
    facts = [
        _signature(row),
        {"Secret": _secret(row)},
        {"Pins": ", ".join(f"{code(pin.name)} ({pin.what})" for pin in pins_of(row.scheme))},
        {
            "Type": "" if _is_in_body(row.event_type) else _places(row.event_type) or NO_TYPE,
            "Id": "" if _is_plain_id(row.event_id) else _places(row.event_id) or _no_id(row),
        },
        {
            "Batches": code("body." + row.batch.at if row.batch.at else "body")
            if row.batch
            else "",
            "Answers": "in `fields`" if row.fields else "",
            "Largest body": (
                f"{row.max_body // MIB} MiB" if row.max_body != DEFAULT_MAX_BODY else ""
            ),
        },
        _retries(row.retries),
        {"Note": _own_limits(row.limits)},
    ]
    lines = [
        " ".join(
            f"**{name}:** {value.rstrip('.')}."
            for name, value in group.items()
            if value.casefold().rstrip(".") not in UNDOCUMENTED
        )
        for group in facts
    ]
    listed = "".join(f"- {line}\n" for line in lines if line)
    guide = GUIDES.get(row.name)
    setup = f"Setup: [Connect a sender](connect.md#{guide})." if guide else _setup(row)
    facts_below = f"\n{listed}" if listed else ""
    return f"## {row.name}\n\n[{row.title}]({row.docs}). {setup}\n{facts_below}"


def _setup(row: Any) -> str:
    """Return the setup without the name of the sender, which is the title, and the usual end."""
    setup = row.explain_setup().replace(", paste the URL, and choose the events.", ".")
    begin = f"In {row.title} open "
    return f"Open {setup.removeprefix(begin)}" if setup.startswith(begin) else setup


def _is_in_body(places: tuple[Any, ...]) -> bool:
    """Return whether the type is one value of the body, which a sample shows."""
    return len(places) == 1 and isinstance(places[0], str) and places[0].startswith("body:")


def _is_plain_id(places: tuple[Any, ...]) -> bool:
    """Return whether the id is one value that the sender sends, which needs no words."""
    return bool(places) and all(isinstance(place, str) for place in places)


def _no_id(row: Any) -> str:
    """Return what the page says of a provider whose events have no known id."""
    if row.dedup_body:
        return "none, the body counts"
    return "set `event_id`" if row.name in ANY_SENDER else IDS_BY_RULE.get(row.name, "none")


def _signature(row: Any) -> dict[str, str]:
    """Return what is signed, with the algorithm unless nothing is; nothing if it is the usual."""
    proof = _proof(row.scheme)
    signed = HOW_JOINED.sub("", row.signs)
    if proof in STRONG_PROOFS and WHOLE_BODY.fullmatch(signed) and row.name not in STANDARDS:
        return {}
    plain = signed.startswith("Nothing:") or row.scheme is None
    return {"Signed" if plain else f"Signed ({proof})": signed}


def _secret(row: Any) -> str:
    """Return what the secret looks like; nothing if it is any text that flowbridge generates, or
    if the setup names it.
    """
    if row.generates_secret and ANY_SECRET.match(row.secret_hint):
        return ""
    hint = GENERATED.sub("", SECRET_ORIGIN.sub("", row.secret_hint))
    if shape := SHAPE.match(hint):
        return "text in base64" if shape[1] == "base64" else shape[1]
    named = NAMED_SECRET.fullmatch(hint)
    start = WELL_KNOWN_START.match(hint)
    is_named = named and named[1].lower() in row.setup.lower()
    return "" if is_named or (start and start[0] in row.setup) else hint


def _retries(retries: str) -> dict[str, str]:
    """Return what of a sender's retries costs events: that there are none, or what ends them."""
    if TRIES_ONCE.search(retries):
        return {"Retries": retries}
    clauses = CLAUSE_END.split(retries.rstrip("."))
    return {"After failures": "; ".join(one for one in clauses if AFTER_FAILURES.search(one))}


def _own_limits(limits: str) -> str:
    """Return the limits without the sentences that many rows share."""
    all_limits = limits
    for shared in SHARED_LIMITS:
        limits = limits.replace(shared, "")
    for pattern in SHARED_PATTERNS:
        limits = pattern.sub("", limits)
    limits = NO_ID.sub("", limits)
    rest = " ".join(limits.split())
    return rest if all_limits.startswith(rest) else rest[:1].upper() + rest[1:]


def _places(places: Iterable[Any]) -> str:
    return ", else ".join(
        " + ".join(map(code, place.texts)) if isinstance(place, JoinedLocators) else _place(place)
        for place in places
    )


def _place(place: Any) -> str:
    return code(place) if isinstance(place, str) else str(place)


def _proof(scheme: Any) -> str:
    """How a scheme proves who sends, in few words."""
    if scheme is None:
        return "HMAC, as the source's `verify:` says"
    if isinstance(scheme, SchemeBySecret):
        return " or ".join(
            dict.fromkeys(
                _proof(one) for _, one in scheme.by_secret if not isinstance(one, SetupSecret)
            )
        )
    if isinstance(scheme, HeaderSets):
        return " or ".join(dict.fromkeys(_proof(one) for _, one in scheme.sets))
    if isinstance(scheme, SignedItems):
        return f"{_proof(scheme.scheme)}, each element"
    if isinstance(scheme, Hmac):
        return (
            f"{scheme.algorithm.upper()} with the secret"
            if scheme.plain
            else f"HMAC-{scheme.algorithm.upper()}"
        )
    kinds = {
        "Ed25519": "Ed25519",
        "Ecdsa": "ECDSA",
        "Rsa": "RSA",
        "SharedToken": "a token",
        "BasicAuth": "a password",
        "Unsigned": "nothing",
    }
    return f"JWT {scheme.algorithm}" if isinstance(scheme, Jwt) else kinds[type(scheme).__name__]


def unsigned_list() -> str:
    """Return the providers that sign, and whose id or type is not signed."""
    found: dict[str, list[str]] = {"id and type": [], "id": [], "type": []}
    for row in PROVIDERS.values():
        if row.scheme is None or not any(covers_content(one) for one in leaf_schemes(row.scheme)):
            continue
        unsigned = [
            name
            for name, places in (("id", row.event_id), ("type", row.event_type))
            if _uncovered(row.scheme, places[:1])
        ]
        if unsigned:
            found[" and ".join(unsigned)].append(row.title)
    return "".join(f"- **{what}:** {', '.join(titles)}\n" for what, titles in found.items())


def _uncovered(scheme: Any, places: Iterable[Any]) -> list[str]:
    """What of the places is not signed. Only the first of several is given: it is the one that
    counts where it is there.
    """
    texts = [
        text.removesuffix("?")
        for place in places
        for text in (place.texts if isinstance(place, JoinedLocators) else [place])
        if isinstance(text, str)
    ]
    return [text for text in texts if not covers(scheme, compile_locator(text))]


def scopes_list() -> str:
    """What each scope of an access token permits, and the presets."""
    lines = [f"- {code(scope)}: {summary}" for scope, summary in SCOPE_SUMMARIES.items()]
    presets = (
        f"{code(name)} ({', '.join(map(code, list_scopes(of)))})"
        for name, of in SCOPE_PRESETS.items()
    )
    return "\n".join((*lines, "", f"Presets: {', '.join(presets)}."))


# -- commands

#: Options that commands share, with their help.
COMMON_OPTIONS = {
    "--json": "Print JSON, one object per line.",
    "--dry-run": "Only print how many there are.",
    "--yes, -y": "Do not ask for confirmation.",
    "--rate RATE": "At most this rate, such as 50/s or 600/min. Default: no limit.",
    "--limit N": "Only the newest N; 0 for all. Default: 50 in lists, 10 in `tail`, else all.",
}
NEWEST = re.compile(r"(The|Only the) newest N; 0 for all\.")


def commands_table() -> str:
    """Every command with its arguments and options, in the order of `flowbridge --help`."""
    context = click.Context(group, info_name="flowbridge")
    parts = []
    for heading, commands in SECTIONS.items():
        parts.append(f"## {heading}\n")
        for name in commands:
            parts += _command(group.get_command(context, name), f"flowbridge {name}")
    return "\n".join(parts)


def command_choices_table() -> str:
    """Return the commands that are easily confused, each with the case it is for."""
    return "\n".join(
        f"**{question}**\n\n"
        + table(
            ("command", "for"),
            (
                (f"[`{name}`](#flowbridge-{name.replace(' ', '-')})", purpose)
                for name, purpose in choices.items()
            ),
        )
        for question, choices in COMMAND_CHOICES.items()
    )


def _command(command: click.Command | None, name: str) -> Iterator[str]:
    if command is None:
        raise ValueError(f"{name} is listed, but is no command")
    arguments = [_argument(each) for each in command.params if isinstance(each, click.Argument)]
    options = [each for each in command.params if isinstance(each, click.Option)]
    shared = [
        each
        for each in options
        if _help(each) in COMMON_OPTIONS.values() or NEWEST.match(each.help or "")
    ]
    filters = _filters(command)
    some = [] if filters else [each for each in options if _is_filter(each)]
    own = [each for each in options if each not in (*shared, *filters, *some)]
    yield f"### {name}\n"
    if arguments:
        rest = ["[OPTIONS]"] if options else []
        yield f"{code(' '.join([name, *arguments, *rest]))}\n"
    yield _prose(command.help or "")
    if own:
        yield "".join(f"- {code(_option(each))}: {_help(each)}\n" for each in own)
    also = [code(each.opts[0]) for each in shared]
    if filters:
        also.insert(0, "the [filters](#filters)")
    if some:
        names = " ".join(code(each.opts[0]) for each in some)
        also.insert(0, f"the [filters](#filters) {names}")
    if also:
        yield f"{'Also' if own else 'Options'}: {', '.join(also)}.\n"
    similar = name.removeprefix("flowbridge ")
    if any(similar in choices for choices in COMMAND_CHOICES.values()):
        yield "[Which one?](#which-one) lists the commands that are similar.\n"
    if isinstance(command, click.Group):
        for each in command.list_commands(click.Context(command)):
            yield from _command(command.get_command(click.Context(command), each), f"{name} {each}")


def _filters(command: click.Command) -> list[click.Option]:
    """Return the filters of a command that has all of them; they are described once."""
    found = [each for each in command.params if isinstance(each, FilterOption)]
    return found if any(each.name == "dead_kind" for each in found) else []


def _is_filter(one: click.Option) -> bool:
    """Return whether an option is one of the filters, alone."""
    return any(
        one.opts == each.opts and not one.required and _help(each).startswith(_help(one)[:-1])
        for each in _filters(_events_command())
    )


def _events_command() -> click.Command:
    events = group.get_command(click.Context(group), "events")
    if events is None:
        raise ValueError("there is no command `events`")
    return events


def filters_table() -> str:
    """Return the filters of events and deliveries."""
    rows = ((code(_option(each)), _help(each)) for each in _filters(_events_command()))
    return table(("filter", "selects"), rows)


def common_options_table() -> str:
    """Return the options that many commands share."""
    return table(("option", "does"), ((code(name), text) for name, text in COMMON_OPTIONS.items()))


def _argument(one: click.Argument) -> str:
    shown = one.metavar or (one.name or "").upper()
    return shown if one.required or shown.startswith("[") else f"[{shown}]"


def _option(one: click.Option) -> str:
    value = (
        ""
        if one.is_flag
        else one.metavar
        or ("|".join(one.type.choices) if isinstance(one.type, click.Choice) else "VALUE")
    )
    return f"{', '.join([*one.opts, *one.secondary_opts])} {value}".strip()


def _help(one: click.Option) -> str:
    default = f" Default: {one.default}." if one.show_default and one.default is not None else ""
    return (one.help or "") + default + (" Required." if one.required else "")


def _prose(help_text: str) -> str:
    """A command's help as paragraphs, its examples as a block for a shell."""
    parts = []
    for paragraph in inspect.cleandoc(help_text).split("\n\n"):
        if paragraph.startswith("\b\n- "):
            parts.append("```text\n" + paragraph.removeprefix("\b\n") + "\n```\n")
        elif paragraph.startswith("\b"):
            lines = [
                re.sub(r"\s{3,}(\S.*)$", r"  # \1", line.strip())
                for line in paragraph.splitlines()[1:]
            ]
            parts.append("```sh\n" + "\n".join(lines) + "\n```\n")
        else:
            parts.append(" ".join(paragraph.split()) + "\n")
    return "\n".join(parts)


# -- the keys of routes.yaml


def retained(known: retention.Retention) -> str:
    """Return how long things are kept, as it is written."""
    return code(
        "{"
        + ", ".join(f"{name}: {seconds / DAY:g}d" for name, seconds in asdict(known).items())
        + "}"
    )


#: Defaults that the models leave to what reads them, and formats that are written as texts.
DEFAULTS = {
    ("Document", "retention"): retained(retention.DEFAULT_RETENTION),
    ("Source", "retention"): "the global one",
    (
        "Source",
        "max_body",
    ): "5 MiB; some providers more; forms 256 KiB, or enough for the files that they accept",
    ("Source", "daily_bytes"): "none; forms and `insecure` sources 64 MiB",
    ("Files", "max_size"): "6 MiB",
    ("Files", "keep"): "2 GiB",
    **{(name, "file_links"): "`7d`" for name in PLATFORM_MODELS},
    ("Source", "rate"): "none; forms `60/min and 10/min per address`",
    ("Source", "event_type"): "the provider's",
    ("Source", "event_id"): "the provider's",
    ("Source", "secret"): (
        "`secret` or `secrets` is needed, except for forms, `insecure` sources, and senders that"
        " publish their keys or deliver their secret"
    ),
    ("Source", "secrets"): "",
    ("LocalKey", "user_id"): "`key-NAME` where there are `flows`, else the built-in one",
    ("LocalKey", "flows"): "all",
    ("Flow", "time_limit"): "the flow's own; else 1h",
    ("Flow", "memory"): "the flow's own; else 512 MB",
    ("Route", "on"): "this or `source` is needed",
    ("Route", "inputs"): "forms `${form}`; else needed",
    ("Route", "match"): "every event",
    ("Route", "retry"): "`{attempts: 12, first: 5s, max: 6h}`",
    (
        "Route",
        "on_unknown",
    ): "`retry` on platforms that take an idempotency key (`http`, `local`); else `reconcile`",
    ("Route", "on_run_failed"): "`ignore`",
    ("Debounce", "max"): "ten times `wait`",
    ("Debounce", "key"): "all events of the route",
    ("Captcha", "score"): "0.5",
    ("Captcha", "hostnames"): "any",
    ("Verify", "header"): "this or `query` is needed",
    ("Timestamp", "header"): "one of the three is needed",
    **{
        (kind, "max_concurrent_runs"): cap
        for kind, cap in (
            ("Gumloop", platforms.DEFAULT_CONCURRENT_RUNS["gumloop"]),
            ("Http", platforms.DEFAULT_CONCURRENT_RUNS["http"]),
            ("Local", "2 for each core"),
        )
    },
}
FORMATS = {
    amounts.DURATION_PATTERN: "duration",
    amounts.SIZE_PATTERN: "size",
    amounts.MEMORY_PATTERN: "size",
    amounts.FORM_RATE_PATTERN: "rate",
    amounts.RATE_PATTERN: "rate",
    amounts.AGE_PATTERN: "time to keep",
    amounts.RUN_FAILED_PATTERN: "`ignore` `dead` `retry: N`",
}
CHOICES = {  # of several kinds, each said
    ("Spam", "duplicates"): "duration or `keep`",
}


def keys(name: str) -> str:
    """The keys of one model of routes.yaml."""
    model = getattr(document, f"{name}Schema")
    skipped = SHARED_PLATFORM_KEYS if name in PLATFORM_MODELS else ()
    return _keys_table(name, [one for one in model.model_fields if one not in skipped])


def platform_keys_table() -> str:
    """The keys that all platforms have, with the same defaults."""
    return _keys_table(PLATFORM_MODELS[0], SHARED_PLATFORM_KEYS)


def _keys_table(name: str, field_names: Iterable[str]) -> str:
    model = getattr(document, f"{name}Schema")
    properties = model.model_json_schema(by_alias=True)["properties"]
    rows = []
    for field_name in field_names:
        field = model.model_fields[field_name]
        key = field.alias or field_name
        allowed = CHOICES.get((name, field_name)) or _allowed(properties[key])
        rows.append(
            (
                code(key),
                allowed,
                _default(model, field_name, field),
                field.description or "The kind of platform.",
            )
        )
    return table(("key", "value", "default", "meaning"), rows)


def _default(model: Any, name: str, field: Any) -> str:
    key = (model.__name__.removesuffix("Schema"), name)
    if key in DEFAULTS:
        return str(DEFAULTS[key])
    if field.is_required():
        return "needed"
    value = field.default
    if isinstance(value, float):
        return code(_span(value))
    if isinstance(value, tuple):
        return code(" ".join(value))
    return "" if value is None else code(str(value).lower() if isinstance(value, bool) else value)


def _span(seconds: float) -> str:
    units = (*([("d", 86400)] if seconds > 30 * 86400 else []), ("h", 3600), ("m", 60), ("s", 1))
    unit, factor = next(one for one in units if seconds % one[1] == 0 and seconds >= one[1])
    return f"{seconds / factor:g}{unit}"


def _allowed(rule: dict[str, Any]) -> str:
    if "$ref" in rule:
        return "mapping"
    if "const" in rule:
        return code(rule["const"])
    if "enum" in rule:
        return " ".join(map(code, rule["enum"]))
    if rule.get("pattern") in FORMATS:
        return FORMATS[rule["pattern"]]
    if options := rule.get("anyOf") or rule.get("oneOf"):
        kinds = dict.fromkeys(_allowed(each) for each in options if each.get("type") != "null")
        format_ = next(
            (FORMATS[each["pattern"]] for each in options if each.get("pattern") in FORMATS), None
        )
        return format_ or " or ".join(kinds)
    names = {
        "string": "text",
        "integer": "number",
        "number": "number",
        "boolean": "`true` `false`",
        "object": "mapping",
        "array": "list",
    }
    return names.get(rule.get("type", ""), "any")


def operators_table() -> str:
    """The operators of `match`."""
    rows = ((code(row.name), _types(row.types), row.doc) for row in OPERATORS.values())
    return table(("operator", "takes", "true if the value"), rows)


def _types(types: tuple[str, ...]) -> str:
    return "any value" if len(types) == 6 else " or ".join(types)


def captchas_table() -> str:
    """The captchas that there are."""
    rows = (
        (code(name), row.title, ", ".join(map(code, row.fields)), code(row.url))
        for name, row in captchas.CAPTCHA_SERVICES.items()
    )
    return table(("kind", "service", "field with the answer", "verification URL"), rows)


def captcha_widgets() -> str:
    """What each captcha has on a page."""
    parts = []
    for name, row in captchas.CAPTCHA_SERVICES.items():
        one = Captcha(kind=name, url=row.url, secret="", site_key="SITE_KEY")
        asks = widgets.submit_script(one, "contact")
        loads = [f'<script src="{url}" defer></script>' for url in widgets.scripts(one)]
        html = [widgets.widget(one), *loads, widgets.as_module(asks) if asks else ""]
        parts.append("\n".join([f"{row.title}:", "", "```html", *filter(None, html), "```"]))
    return "\n\n".join(parts) + "\n"


def reserved_list() -> str:
    """The names that no input may have."""
    return ", ".join(code(name) for name in sorted(RESERVED_INPUTS)) + "\n"


# -- the ledger

MEANING = {
    Status.QUEUED: "waits for its time and a slot",
    Status.SENDING: "a worker makes the call",
    Status.DELIVERED: "the platform accepted the start; the run may still fail",
    Status.UNKNOWN: "a start was sent and no clear answer came: a run may exist",
    Status.DEAD: (
        "given up, with a reason (a dead letter), until you retry it or its event is deleted"
    ),
    Status.BLOCKED: "waits for an earlier delivery with the same value of the route's `order_by`",
    Status.CANCELLED: "removed from the queue: by `flowbridge cancel`, or merged into a later one",
    Status.SHADOW: "planned by a route in mode shadow; never sent",
}
CAUSES = {
    ("queued", "sending"): "a worker leases it; the intent of the attempt is in the same commit",
    ("queued", "cancelled"): "`flowbridge cancel`; `debounce`: a later one replaces it",
    ("sending", "delivered"): "the platform said that it started",
    (
        "sending",
        "unknown",
    ): "no answer came, or one that may mean either; the worker died while the call was under way",
    ("sending", "queued"): (
        "it certainly did not start and is tried again; the platform is full; the call never began"
    ),
    ("sending", "dead"): "the platform refused it for good; the attempts are used up",
    ("unknown", "delivered"): (
        "its run was found (`on_unknown: reconcile`); `flowbridge resolve --as delivered`; the"
        " answer came late"
    ),
    (
        "unknown",
        "queued",
    ): "there is no such run (`on_unknown: reconcile`); `flowbridge resolve --as queued`",
    ("unknown", "dead"): "`flowbridge resolve --as dead`",
    ("delivered", "queued"): "its run failed: `on_run_failed: retry`, or `flowbridge retry`",
    (
        "delivered",
        "dead",
    ): "its run failed: `on_run_failed: dead`, or no more runs of `retry: N` are left",
    ("blocked", "queued"): "the one before it in its ordering queue ended",
    (
        "blocked",
        "dead",
    ): "it was parked by planning, its turn has come, and it holds its key (`on_dead: block`)",
    ("blocked", "cancelled"): "`flowbridge cancel`",
    ("dead", "queued"): "`flowbridge retry`",
    ("dead", "blocked"): "`flowbridge retry`, behind the head of its ordering queue",
    (
        "dead",
        "cancelled",
    ): "`flowbridge cancel` of a delivery that holds its key: the next one is sent",
    ("cancelled", "queued"): "`flowbridge retry`",
    ("cancelled", "blocked"): "`flowbridge retry`, behind the head of its ordering queue",
}


def statuses_table() -> str:
    """What each status means."""
    return table(("status", "means"), ((code(status), MEANING[status]) for status in Status))


def transitions_table() -> str:
    """Every legal transition and what causes it; an unexplained one is an error."""
    moves = [
        (source.value, to.value)
        for source, targets in TRANSITIONS.items()
        for to in sorted(targets)
    ]
    if set(moves) != set(CAUSES):
        raise ValueError(f"CAUSES and model.TRANSITIONS differ: {sorted(set(moves) ^ set(CAUSES))}")
    return table(
        ("from", "to", "by"), ((code(source), code(to), CAUSES[source, to]) for source, to in moves)
    )


# -- metrics


def metrics_table() -> str:
    """All that is told to Prometheus."""
    rows = (
        (code(row.name), row.kind, " ".join(map(code, row.labels)), row.help) for row in METRICS
    )
    return table(("metric", "kind", "labels", "meaning"), rows)


# -- the admin API


#: What the page says once about the summaries of all endpoints.
SAID_ONCE = re.compile(r", (?:newest|oldest) first|, the most frequent first")
#: The command whose output an answer has, with the word that its path has too.
SAME_COMMAND = re.compile(r", as `(?:flowbridge )?(?:db )?(\w+)[^`]*`")


def admin_endpoints_list() -> str:
    """The endpoints of the admin API, in a list for each scope.

    One record of a list is in the line of the list.
    """
    paths = {(one.scope, one.path) for one in ADMIN_ENDPOINTS if one.method == "GET"}
    lines: dict[Scope, dict[str, str]] = {scope: {} for scope in Scope}
    for one in ADMIN_ENDPOINTS:
        if one.successor:
            continue
        parent, _, last = one.path.rpartition("/")
        summaries = lines[one.scope]
        if one.method != "GET":
            summaries[f"{one.method} {one.path}"] = one.summary
        elif one.summary.startswith("One ") and (one.scope, parent) in paths:
            summaries[f"{parent}[/{last}]"] = summaries.pop(parent)
        else:
            summaries[one.path] = one.summary
    return "\n\n".join(
        "\n".join(
            (
                f"With {code(scope)}:\n",
                *(f"- {code(path)}: {_shorten(path, text)}" for path, text in lines[scope].items()),
            )
        )
        for scope in Scope
    )


def _shorten(path: str, summary: str) -> str:
    """Return a summary without what the page or the path says."""
    command = SAME_COMMAND.search(summary)
    if command is not None and command[1] in path:
        summary = summary.replace(command[0], "")
    text = SAID_ONCE.sub("", summary).removesuffix(".")
    return text[0].lower() + text[1:]


def admin_problems_list() -> str:
    """The words of the errors of the admin API, by status."""
    words: dict[int, list[str]] = {}
    for one in PROBLEMS.values():
        words.setdefault(one.status, []).append(code(one.word))
    return "\n".join(f"- {status}: {', '.join(row)}" for status, row in words.items())


# -- agents


def agent_tools_table() -> str:
    """The tools of `flowbridge mcp`, with the first sentence of each description."""
    tools = build_tools(SCOPE_PRESETS["operator"]).values()
    return table(
        ("tool", "scope", "does"),
        (
            (code(one.name), code(one.scope), re.split(r"(?<=[.])\s", one.description)[0])
            for one in tools
        ),
    )


# -- limits


def _connection_limits() -> tuple[tuple[str, object], ...]:
    """Return the limits of the connections and threads of a receiver on an event loop."""
    return (
        (
            "connections of a receiver, slow senders among them",
            f"{loop_worker.MAX_CONNECTIONS}; then new ones wait, or are answered 503 if they are"
            " for the console or the admin API",
        ),
        (
            "threads of a receiver",
            f"{loop_edge.HOOK_THREADS} for webhooks that wait or take long, such as bodies over"
            f" {hook_calls.MAX_LOOP_BODY_BYTES // 1024} KiB, forms and repeats; one for commits"
            f" on PostgreSQL and slow ones on SQLite; {DEFAULT_POOL} for all else"
            " (`FLOWBRIDGE_POOL`)",
        ),
        (
            f"bodies over {hook_calls.LARGE_BODY_BYTES // 1024} KiB that a receiver verifies"
            " at a time",
            f"{hook_calls.MAX_UNPROVEN}; {hook_calls.MAX_WAITING} more wait"
            f" {TIMINGS.unproven_wait_seconds:g} s at most; then 503",
        ),
        (
            "a commit on the loop that moves the next to a thread (SQLite; on PostgreSQL all are"
            " there)",
            f"over {commit_gatherer.SLOW_COMMIT_SECONDS * 1000:g} ms",
        ),
        (
            "bodies being read for all but webhooks, on each listener",
            f"{loop_edge.PAGE_BODY_BYTES // MIB} MiB; then 503. Those over"
            f" {connection.MAX_HELD_PAGE_BYTES // MIB} MiB: a quarter of the threads; then 503."
            " A path that takes no body gets none: it is answered, and the connection closed",
        ),
        (
            "the line of a chunk; all lines of chunks; the trailers of a body",
            f"{request_body.MAX_SIZE_LINE_BYTES} bytes; as many bytes as the body, and"
            f" {request_body.MAX_FRAMING_BYTES // 1024} KiB;"
            f" {request_body.MAX_TRAILERS}, {request_body.MAX_TRAILER_BYTES // 1024} KiB",
        ),
    )


def limits_table() -> str:
    """Return a table of limits for each part of the way of an event."""
    groups: dict[str, tuple[tuple[str, object], ...]] = {
        "Requests": (
            ("a request line; a header; the number of headers", "8190 bytes; 8190 bytes; 100"),
            ("time for the head of a request", f"{TIMINGS.request_head_seconds:g} s"),
            (
                "time for its body",
                f"{TIMINGS.request_body_seconds:g} s. Each"
                f" {TIMINGS.request_bytes_per_second / 1024:g} KiB received add 1 s, up to"
                f" {TIMINGS.request_body_seconds:g} s again",
            ),
            (
                "time for the answer to a webhook",
                f"{TIMINGS.request_answer_seconds:g} s; then the connection is closed",
            ),
            ("bodies being read in a receiver", f"{body_reader.IN_FLIGHT // MIB} MiB; then 503"),
            (
                "the same from one network (/24, /56)",
                f"{body_reader.IN_FLIGHT // MIB // 4} MiB, or one body; then 503",
            ),
            (
                f"the same beyond the first {body_reader.SMALL_BODY_BYTES // 1024} KiB of bodies",
                f"{body_reader.IN_FLIGHT // MIB * 2 // 3} MiB, or one body; then 503",
            ),
            (
                "a request that tests the URL or delivers a secret",
                f"{json_values.MAX_TEST_BYTES // 1024} KiB",
            ),
        ),
        "Connections and threads": _connection_limits(),
        "Bodies": (
            ("a body (`max_body`)", "5 MiB; GitHub 25 MiB; a form without files 256 KiB"),
            ("JSON nesting (`max_depth`)", "100"),
            ("values in JSON that is not verified, or not yet", json_values.MAX_VALUES),
            ("an event's type and id", f"{MAX_NAME_CHARS} characters; a longer id is hashed"),
        ),
        "Forms and unsigned sources": (
            ("submissions (`rate`)", "60 a minute, 10 from one address"),
            ("bodies stored in a day (`daily_bytes`)", _then_507(sources.PUBLIC_DAILY_BYTES)),
            (
                "of a form's `daily_bytes` and `keep`, one network (/24, /56) may use",
                f"one part of {room.SHARE}, exceeded by one submission at most; then 507",
            ),
            (
                "of a form's `daily_bytes` and `keep`, spam may use",
                f"{room.SHARE - 1} parts of {room.SHARE}; then 507",
            ),
            (
                "disk space reserved for signed sources",
                f"{ports.SIGNED_RESERVE_BYTES // MIB} MiB (a tenth of a disk under 2.5 GiB);"
                " others get 507",
            ),
            ("fields (`fields`)", bodies.MAX_FIELDS),
            ("characters of a field (`fields`); of its name", _field_lengths()),
            ("levels of a[b][c]", nesting.MAX_NESTING),
            ("files (`files`)", "4, at most 50"),
            (
                "bytes of a file (`files`)",
                f"6 MiB, at most {form_source.MAX_FORM_FILE_BYTES // MIB} MiB",
            ),
            ("bytes of a file's name", multipart.MAX_FILE_NAME_BYTES),
            ("disk space that files leave free", _then_507(SPARE)),
            ("headers of a part of a multipart body", _part_headers()),
        ),
        "Configuration and expressions": (
            ("secrets of a source at once", MAX_SECRETS),
            ("a file read by `${file:…}`", f"{interpolation.MAX_SECRET_FILE_BYTES // 1024} KiB"),
            (
                "a secret that draws a warning",
                f"shorter than {sources.MIN_SECRET_LENGTH} characters",
            ),
            ("text made by a function", f"{signature.MAX_TEXT // MIB} MiB"),
            ("elements of an array made by a function", signature.MAX_ITEMS),
            ("text that `regex` searches", f"{MAX_REGEX_TEXT} characters, in linear time"),
            ("errors listed by a schema", validator.MAX_ERRORS),
            (
                "a key of `order_by` and `debounce`",
                f"{planner.MAX_KEY_LENGTH} characters; a longer one is hashed",
            ),
            (
                "a file of `flowbridge import`; if it is YAML; if it is HTML",
                f"{kinds.MAX_IMPORT_BYTES // MIB} MiB;"
                f" {document_reader.MAX_YAML_CHARS // 1024} KiB;"
                f" {html_reader.MAX_PAGE_CHARS // 1024} KiB",
            ),
            ("files of `flowbridge import` at once", kinds.MAX_IMPORT_FILES),
        ),
        "Deliveries and platforms": (
            ("a call (`timeout`)", "30 s"),
            ("an answer", f"{MAX_ANSWER_BYTES // 1024} KiB; then cut"),
            ("a list of runs", f"{gumloop.MAX_LIST_BYTES // MIB} MiB"),
            ("Retry-After", f"at most {RETRY_AFTER_MAX_SECONDS / 60:g} min"),
            ("failures in a row that open a circuit", circuit_breaker.FAILURES_TO_OPEN),
            (
                "a circuit stays open",
                f"{TIMINGS.circuit_open_first_seconds:g} s, growing to"
                f" {TIMINGS.circuit_open_max_seconds / 60:g} min",
            ),
            (
                "the same after a 401",
                f"{circuit_breaker.UNAUTHORIZED_FIRST_SECONDS:g} s, growing to"
                f" {circuit_breaker.UNAUTHORIZED_MAX_SECONDS / 60:g} min",
            ),
            (
                "wait before one more start on a platform that others have filled",
                f"{TIMINGS.allowance_raise_first_seconds:g} s, growing to"
                f" {circuit_breaker.ALLOWANCE_RAISE_MAX_SECONDS:g} s",
            ),
            *(
                (
                    f"interval between polls of a run: {name}",
                    f"{row.polling.first:g} s, growing to {row.polling.max:g} s",
                )
                for name, row in PLATFORMS.items()
                if row.polling
            ),
            (
                "first search for the run of an unanswered start",
                "60 s after the call's deadline (`FLOWBRIDGE_RECONCILE_AFTER`)",
            ),
            (
                "next search if there was no list",
                f"after {TIMINGS.reconcile_first_seconds:g} s, growing to"
                f" {TIMINGS.reconcile_max_seconds / 60:g} min",
            ),
            (
                "second search if no run was found",
                f"after {TIMINGS.reconcile_confirm_seconds:g} s",
            ),
            (
                "files held in memory by a process that makes calls",
                f"{worker_form_files.MAX_HELD_BYTES // MIB} MiB; then they wait",
            ),
            (
                "a worker's lease on a delivery",
                f"{TIMINGS.lease_seconds:g} s, extended while it lives",
            ),
            ("time to end after SIGTERM", f"{TIMINGS.stop_seconds:g} s"),
        ),
    }
    return "\n".join(
        f"**{title}**\n\n{table(('what', 'limit'), rows)}" for title, rows in groups.items()
    )


def _then_507(size: int) -> str:
    return f"{size // MIB} MiB; then 507"


def _field_lengths() -> str:
    return f"{FieldRules().max_length}; {parser.MAX_FIELD_NAME_CHARS}"


def _part_headers() -> str:
    return (
        f"{multipart.MAX_PART_HEADERS}, {multipart.MAX_PART_HEADER_BYTES // 1024} KiB in all,"
        f" {multipart.MAX_HEADER_PARAMETERS} parameters each"
    )


# -- faults


def faults_table() -> str:
    """What can go wrong with the platform that is there to rehearse."""
    rows = []
    for name, kind in fault_injection.FAULT_KINDS.items():
        head = (
            "a status" if name == "STATUS" else code(name + (":SECONDS" if name == "slow" else ""))
        )
        rows.append(
            (
                head,
                kind.does.format(kind="it", argument="so many")
                + ("; `:X` adds `Retry-After: X`" if name == "STATUS" else ""),
            )
        )
    return table(("kind", "what it does"), rows)


def crash_faults_table() -> str:
    """The faults that the crash test injects."""
    return table(
        ("`--only`", "fault"),
        ((code(kind), what) for kind, what in plan.FAULT_DESCRIPTIONS.items()),
    )


def findings_table() -> str:
    """The kinds of findings of the crash test."""
    return table(
        ("kind", "means"), ((code(kind), means) for kind, means in records.FINDING_KINDS.items())
    )


def verdicts_table() -> str:
    """The verdicts of the crash test."""
    rows = (
        (code(word), means, int(word != "kept")) for word, means in certificate.VERDICTS.items()
    )
    return table(("verdict", "means", "exit code"), rows)


# -- forms


def control_fields_table() -> str:
    """The fields that say what is to be done with a form."""
    beside = {
        row.name: f"; only beside {code(row.only_with)}" if row.only_with else ""
        for row in CONTROL_FIELDS
    }
    return table(
        ("field", "used by", "effect"),
        ((code(row.name), row.of, row.does + beside[row.name]) for row in CONTROL_FIELDS),
    )


def page_names_table() -> str:
    """What a thank-you page of one's own is given."""
    return table(
        ("name", "value"), ((code(name), what) for name, what in custom_page.PAGE_VARIABLES.items())
    )


def file_types_table() -> str:
    """What a file can be, and what it is called in routes.yaml."""
    rows = []
    for name in (*file_types.FILE_GROUPS, ""):
        members = [row for row in file_types.FILE_TYPES.values() if row.group == name]
        shown = ", ".join(
            f"{code(row.name)} ({' '.join('.' + each for each in row.extensions)})"
            for row in members
        )
        rows.append((code(name) if name else "no group: name the type itself", shown))
    return table(("group", "types"), rows)


def sealed_table() -> str:
    """What is sealed where there are keys."""
    rows = [
        (
            code(row.table.name),
            ", ".join(f"{what} ({code(name)})" for name, what in row.columns.items()),
        )
        for row in encrypted.ENCRYPTED_COLUMNS
    ]
    return table(("table", "encrypted"), rows)


def settings_table(*, of_flows: bool = False) -> str:
    """The variables that flowbridge, or its ready-made flows, read."""
    return table(
        ("variable", "default", "meaning"),
        (
            (
                code(row.variable),
                row.computed_default or (code(row.default) if row.default else ""),
                row.meaning,
            )
            for row in SETTINGS
            if (row.read_by == FLOWS) is of_flows
        ),
    )


PARTS: dict[str, Callable[[], str]] = {
    "functions": functions_table,
    "evidence": evidence_table,
    "providers": providers_table,
    "command choices": command_choices_table,
    "commands": commands_table,
    "scopes": scopes_list,
    "common options": common_options_table,
    "filters": filters_table,
    "operators": operators_table,
    "platform keys": platform_keys_table,
    "reserved": reserved_list,
    "statuses": statuses_table,
    "transitions": transitions_table,
    "metrics": metrics_table,
    "admin endpoints": admin_endpoints_list,
    "admin problems": admin_problems_list,
    "agent tools": agent_tools_table,
    "limits": limits_table,
    "faults": faults_table,
    "crash faults": crash_faults_table,
    "findings": findings_table,
    "verdicts": verdicts_table,
    "captchas_table": captchas_table,
    "captcha_widgets": captcha_widgets,
    "control_fields": control_fields_table,
    "settings": settings_table,
    "settings of flows": partial(settings_table, of_flows=True),
    "page_names": page_names_table,
    "file_types": file_types_table,
    "sealed": sealed_table,
    "unsigned": unsigned_list,
}
MODELS = (
    "Document",
    "Gumloop",
    "Local",
    "LocalKey",
    "Http",
    "Source",
    "Verify",
    "Timestamp",
    "DatedSecret",
    "Flow",
    "Route",
    "Retry",
    "Debounce",
    "Spam",
    "Captcha",
    "Page",
    "Fields",
    "Files",
)


def part(name: str) -> str:
    """Return the text of the part `name`."""
    kind, _, model = name.partition(" ")
    return keys(model) if kind == "keys" else PARTS[name]()


def generated(content: str) -> str:
    """Return a page with all its parts written anew."""
    return MARKED.sub(lambda found: f"{found[1]}\n{part(found[2]).strip()}\n\n{found[3]}", content)


def main() -> None:
    """Write every page that has changed, and the schema for editors."""
    if SCHEMA.read_text("utf-8") != schema_text():
        SCHEMA.write_text(schema_text(), "utf-8")
        click.echo(f"wrote {SCHEMA.relative_to(DOCS.parent)}")
    for path in sorted(DOCS.glob("*.md")):
        before = path.read_text("utf-8")
        after = generated(before)
        if after != before:
            path.write_text(after, "utf-8")
            click.echo(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
