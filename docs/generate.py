"""Writes the parts of docs/*.md that follow from the code, between their markers: python docs/generate.py

A part is what stands between `<!-- generated: NAME -->` and `<!-- end -->`. tests/test_docs.py holds the committed files to it.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

DOCS = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path.insert(0, str(DOCS.parent))  # this tree, not an installed copy of it

from bridge import bodies, functions, schemas, supervise  # noqa: E402
from bridge.cli import SECTIONS, group  # noqa: E402
from bridge.cli.providers import EVIDENCE  # noqa: E402
from bridge.config import amounts, document, filling, platforms, sources  # noqa: E402
from bridge.functions import numeric, signature, structure, text, times  # noqa: E402
from bridge.locate import Joined  # noqa: E402
from bridge.matching import MAX_REGEX_TEXT, OPERATORS  # noqa: E402
from bridge.model import TRANSITIONS, Status  # noqa: E402
from bridge.platforms import PLATFORMS  # noqa: E402
from bridge.providers import MIB, MODULES, PROVIDERS  # noqa: E402
from bridge.receive import NAME_LENGTH  # noqa: E402
from bridge.retry import RETRY_AFTER_MAX, THROTTLE_MAX  # noqa: E402
from bridge.send import MAX_ANSWER  # noqa: E402
from bridge.signatures import MAX_SECRETS, AnyOf, HeaderSets, Hmac, Jwt, pins_of  # noqa: E402
from bridge.signatures.aside import Aside  # noqa: E402
from bridge.signatures.items import Items  # noqa: E402
from bridge.store import ledger  # noqa: E402
from bridge.templates import RESERVED_INPUTS  # noqa: E402
from bridge.web import faults, intake, receiver  # noqa: E402

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
        "Times": (*times.FUNCTIONS, functions.NOW),
    }
    parts = []
    for title, rows in kinds.items():
        cells = ((code(row.signature), row.doc, f"{code(row.example)} → {code(functions.encode(row.result))}") for row in rows)
        parts.append(f"## {title}\n\n" + table(("function", "gives", "example"), cells))
    return "\n".join(parts)


# -- providers

def providers_table() -> str:
    """All providers at a glance, kind by kind, then each."""
    parts = []
    for module in MODULES:
        kind = (module.__doc__ or "").partition(": ")[2].partition(". Pure")[0]
        rows = ((f"[{code(row.name)}](#{row.name})", row.title, _proof(row.scheme), row.evidence) for row in module.ROWS)
        parts.append(f"**{kind[0].upper()}{kind[1:]}**\n\n" + table(("provider", "who", "proof", "evidence"), rows))
    return "\n".join([*parts, *map(_provider, PROVIDERS.values())])


def evidence_table() -> str:
    """What the words for evidence mean, and how many rows have each."""
    counted = Counter(row.evidence for row in PROVIDERS.values())
    return table(("evidence", "means", "rows"), ((code(name), EVIDENCE[name], counted[name]) for name in EVIDENCE))


def _provider(row: Any) -> str:
    samples = ", ".join(code(f"flowbridge sample {row.name} {each.type}") for each in row.samples)
    facts = {
        "Signed": row.signs,
        "Proof": _proof(row.scheme),
        "Evidence": EVIDENCE[row.evidence],
        "Secret": row.secret_hint,
        "Pins": ", ".join(f"{code(pin.name)} ({pin.what})" for pin in pins_of(row.scheme)),
        "Event type": _places(row.event_type) or "what `event_type:` of the source names",
        "Provider's id": _places(row.event_id) or ("none: the same body is the same event" if row.dedup_body else "none"),
        "Batches": f"each element of {code('body.' + row.batch.at if row.batch.at else 'body')} is an event" if row.batch else "",
        "Tests of the URL": "answered by itself" if row.handshakes else "",
        "Largest body": f"{row.max_body // MIB} MiB, unless the source says `max_body`",
        "Waits for the answer": row.answer_within,
        "Retries": row.retries,
        "Good to know": row.limits,
        "Samples": samples,
        "Their documentation": f"<{row.docs}>",
    }
    lines = "".join(f"- **{name}:** {value}\n" for name, value in facts.items() if value)
    return f"## {row.name}\n\n{row.title}. {row.setup}\n\n{lines}"


def _places(places: Iterable[Any]) -> str:
    return ", else ".join(" + ".join(map(code, place.texts)) if isinstance(place, Joined) else _place(place) for place in places)


def _place(place: Any) -> str:
    return code(place) if isinstance(place, str) else str(place)


def _proof(scheme: Any) -> str:
    """How a scheme proves who sends, in few words."""
    if scheme is None:
        return "HMAC, as the source's `verify:` says"
    if isinstance(scheme, AnyOf):
        return " or ".join(dict.fromkeys(_proof(one) for _, one in scheme.by_secret if not isinstance(one, Aside)))
    if isinstance(scheme, HeaderSets):
        return " or ".join(dict.fromkeys(_proof(one) for _, one in scheme.sets))
    if isinstance(scheme, Items):
        return f"{_proof(scheme.scheme)}, each element"
    if isinstance(scheme, Hmac):
        return f"{scheme.algorithm.upper()} with the secret" if scheme.plain else f"HMAC-{scheme.algorithm.upper()}"
    kinds = {"Ed25519": "Ed25519", "Ecdsa": "ECDSA", "Rsa": "RSA", "Token": "a token", "Basic": "a password", "Unsigned": "nothing"}
    return f"JWT ({scheme.algorithm})" if isinstance(scheme, Jwt) else kinds[type(scheme).__name__]


# -- commands


def commands_table() -> str:
    """Every command with its arguments and options, in the order of `flowbridge --help`."""
    context = click.Context(group, info_name="flowbridge")
    parts = []
    for heading, commands in SECTIONS.items():
        parts.append(f"## {heading}\n")
        for name in commands:
            parts += _command(group.get_command(context, name), f"flowbridge {name}")
    return "\n".join(parts)


def _command(command: click.Command | None, name: str) -> Iterator[str]:
    if command is None:
        raise ValueError(f"{name} is listed, but is no command")
    arguments = [_argument(each) for each in command.params if isinstance(each, click.Argument)]
    own = [each for each in command.params if isinstance(each, click.Option)]
    usage = [name, *(["COMMAND"] if isinstance(command, click.Group) else []), *arguments, *(["[OPTIONS]"] if own else [])]
    yield f"### {name}\n\n```text\n{' '.join(usage)}\n```\n"
    yield _prose(command.help or "")
    if own:
        yield table(("option", "does"), ((code(_option(each)), _help(each)) for each in own))
    if isinstance(command, click.Group):
        for each in command.list_commands(click.Context(command)):
            yield from _command(command.get_command(click.Context(command), each), f"{name} {each}")


def _argument(one: click.Argument) -> str:
    shown = one.metavar or (one.name or "").upper()
    return shown if one.required or shown.startswith("[") else f"[{shown}]"


def _option(one: click.Option) -> str:
    value = "" if one.is_flag else one.metavar or ("|".join(one.type.choices) if isinstance(one.type, click.Choice) else "VALUE")
    return f"{', '.join(one.opts)} {value}".strip()


def _help(one: click.Option) -> str:
    default = f" Default: {one.default}." if one.show_default and one.default is not None else ""
    return (one.help or "") + default + (" Required." if one.required else "")


def _prose(help_text: str) -> str:
    """A command's help as paragraphs, its examples as a block for a shell."""
    parts = []
    for paragraph in inspect.cleandoc(help_text).split("\n\n"):
        if paragraph.startswith("\b"):
            lines = [re.sub(r"\s{3,}(\S.*)$", r"  # \1", line.strip()) for line in paragraph.splitlines()[1:]]
            parts.append("```sh\n" + "\n".join(lines) + "\n```\n")
        else:
            parts.append(" ".join(paragraph.split()) + "\n")
    return "\n".join(parts)


# -- the keys of routes.yaml

#: Defaults that the models leave to what reads them, and formats that are written as texts.
DEFAULTS = {
    ("Source", "max_body"): "5 MiB; github 25 MiB",
    ("Source", "rate"): "none; forms `60/min and 10/min per address`",
    ("Source", "event_type"): "the provider's",
    ("Source", "event_id"): "the provider's",
    ("Source", "secret"): "one of the two is needed, unless `insecure` or a form",
    ("Source", "secrets"): "",
    ("LocalKey", "user_id"): "the built-in one",
    ("LocalKey", "flows"): "all",
    ("Flow", "time_limit"): "the flow's own; else 1h",
    ("Flow", "memory"): "the flow's own; else 512 MB",
    ("Route", "on"): "this or `source` is needed",
    ("Route", "inputs"): "forms `${form}`; else needed",
    ("Route", "match"): "every event",
    ("Route", "retry"): "`{attempts: 12, first: 5s, max: 6h}`",
    ("Verify", "header"): "this or `query` is needed",
    ("Timestamp", "header"): "one of the three is needed",
    **{(kind, "max_concurrent_runs"): cap for kind, cap in
       (("Gumloop", platforms.CAPS["gumloop"]), ("Http", platforms.CAPS["http"]), ("Local", "2 for each core"))},
}  # fmt: skip
FORMATS = {amounts.DURATION: "duration", amounts.SIZE: "size", amounts.MEMORY: "size", amounts.FORM_RATE: "rate"}


def keys(name: str) -> str:
    """The keys of one model of routes.yaml."""
    model = getattr(document, name)
    properties = model.model_json_schema(by_alias=True)["properties"]
    rows = []
    for field_name, field in model.model_fields.items():
        key = field.alias or field_name
        rows.append((code(key), _allowed(properties[key]), _default(model, field_name, field), field.description or "its type"))
    return table(("key", "value", "default", "meaning"), rows)


def _default(model: Any, name: str, field: Any) -> str:
    if (model.__name__, name) in DEFAULTS:
        return str(DEFAULTS[model.__name__, name])
    if field.is_required():
        return "needed"
    value = field.default
    if isinstance(value, float):
        return code(_span(value))
    if isinstance(value, tuple):
        return code(" ".join(value))
    return "" if value is None else code(str(value).lower() if isinstance(value, bool) else value)


def _span(seconds: float) -> str:
    units = (("h", 3600), ("m", 60), ("s", 1))
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
        return "size" if "size" in kinds else " or ".join(kinds)
    names = {"string": "text", "integer": "number", "boolean": "`true` `false`", "object": "mapping", "array": "list"}
    return names.get(rule.get("type", ""), "any")


def operators_table() -> str:
    """The operators of `match`."""
    rows = ((code(row.name), _types(row.types), row.doc) for row in OPERATORS.values())
    return table(("operator", "is given", "true where the value"), rows)


def _types(types: tuple[str, ...]) -> str:
    return "any value" if len(types) == 6 else " or ".join(types)


def reserved_list() -> str:
    """The names that no input may have."""
    return ", ".join(code(name) for name in sorted(RESERVED_INPUTS)) + "\n"


def later_list() -> str:
    """Keys that are refused by name because a later version will have them."""
    rows = ((code(section), ", ".join(code(name) for name in sorted(names))) for section, names in document.LATER.items())
    return table(("under", "not yet"), rows)


# -- the ledger

MEANING = {
    Status.QUEUED: "waits for its time and a slot",
    Status.SENDING: "leased by a worker; its call is under way",
    Status.DELIVERED: "the platform accepted it; says nothing of how the run ended",
    Status.UNKNOWN: "a call left and no answer came: a run may exist",
    Status.DEAD: "given up, with a reason (a dead letter)",
    Status.BLOCKED: "waits for an earlier delivery of its ordering key (not used yet)",
    Status.CANCELLED: "a person took it out of the queue",
    Status.SHADOW: "planned by a route in mode shadow; never sent",
}
CAUSES = {
    ("queued", "sending"): "a worker leases it; the intent of the attempt is in the same commit",
    ("queued", "cancelled"): "`flowbridge cancel`",
    ("sending", "delivered"): "the platform said that it started",
    ("sending", "unknown"): "no answer came, or one that may mean either; the worker died while the call was under way",
    ("sending", "queued"): "it certainly did not start and may be tried again; the platform is full; the call never began",
    ("sending", "dead"): "the platform refused it for good; the attempts are used up",
    ("unknown", "delivered"): "`flowbridge resolve --as delivered`; the answer came late",
    ("unknown", "queued"): "`flowbridge resolve --as queued`",
    ("unknown", "dead"): "`flowbridge resolve --as dead`",
    ("delivered", "queued"): "`flowbridge retry`, after its run failed",
    ("delivered", "dead"): "not used yet",
    ("blocked", "queued"): "not used yet",
    ("blocked", "cancelled"): "`flowbridge cancel`",
    ("dead", "queued"): "`flowbridge retry`",
    ("cancelled", "queued"): "`flowbridge retry`",
}


def statuses_table() -> str:
    """What each status means."""
    return table(("status", "means"), ((code(status), MEANING[status]) for status in Status))


def transitions_table() -> str:
    """Every legal transition and what causes it; an unexplained one is an error."""
    moves = [(source.value, to.value) for source, targets in TRANSITIONS.items() for to in sorted(targets)]
    if set(moves) != set(CAUSES):
        raise ValueError(f"CAUSES and model.TRANSITIONS differ: {sorted(set(moves) ^ set(CAUSES))}")
    return table(("from", "to", "by"), ((code(source), code(to), CAUSES[source, to]) for source, to in moves))


# -- limits


def limits_table() -> str:
    """What is bounded, and by how much."""
    polled = {name: row.polling for name, row in PLATFORMS.items() if row.polling}
    polls = "; ".join(f"{name} {polling.first:g} s, then up to {polling.max:g} s" for name, polling in polled.items())
    rows = (
        ("request line; one header; number of headers", "8190 bytes; 8190 bytes; 100"),
        ("reading the head of a request; its body", f"{receiver.HEAD_TIME:g} s; {intake.READ_TIME:g} s"),
        ("a body", "5 MiB; github 25 MiB (`max_body`)"),
        ("bodies being read at once, in a receiver", f"{intake.IN_FLIGHT // MIB} MiB, then 503"),
        ("JSON nesting", "100 (`max_depth`)"),
        ("fields of a form", bodies.MAX_FIELDS),
        ("requests to a form", "60 a minute, and 10 a minute from one address (`rate`)"),
        ("secrets of a source at once", MAX_SECRETS),
        ("a secret that draws a warning", f"shorter than {sources.SHORT} characters"),
        ("a file read by `${file:…}`", f"{filling.MAX_SECRET_FILE // 1024} KiB"),
        ("a type, and a provider's id", f"{NAME_LENGTH} characters; a longer id is kept as its SHA-256"),
        ("a text, and an array, made by a function", f"{signature.MAX_TEXT // MIB} MiB; {signature.MAX_ITEMS} elements"),
        ("text that `regex` looks at", f"{MAX_REGEX_TEXT} characters, in time that grows with the text alone"),
        ("errors listed by a schema", schemas.MAX_ERRORS),
        ("an answer of a platform", f"{MAX_ANSWER // 1024} KiB, then cut"),
        ("a whole call to a platform", "30 s (`timeout`)"),
        ("Retry-After of a platform", f"at most {RETRY_AFTER_MAX / 60:g} min"),
        ("wait after a platform said that it is full", f"0.5 s, growing to {THROTTLE_MAX:g} s"),
        ("a worker's lease on a delivery", f"{ledger.LEASE:g} s, extended while it lives"),
        ("looks at a run", polls),
        ("time to end after SIGTERM", f"{supervise.GRACE:g} s"),
    )
    return table(("what", "limit"), rows)


# -- faults


def faults_table() -> str:
    """What can go wrong with the platform that is there to rehearse."""
    rows = []
    for name, kind in faults.KINDS.items():
        head = "a status" if name == "STATUS" else code(name + (":SECONDS" if name == "slow" else ""))
        rows.append((head, kind.does.format(kind="it", argument="so many") + ("; `:X` adds `Retry-After: X`" if name == "STATUS" else "")))
    return table(("kind", "what it does"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "functions": functions_table,
    "evidence": evidence_table,
    "providers": providers_table,
    "commands": commands_table,
    "operators": operators_table,
    "reserved": reserved_list,
    "later": later_list,
    "statuses": statuses_table,
    "transitions": transitions_table,
    "limits": limits_table,
    "faults": faults_table,
}
MODELS = ("Document", "Gumloop", "Local", "LocalKey", "Http", "Source", "Verify", "Timestamp", "DatedSecret", "Flow", "Route", "Retry")


def part(name: str) -> str:
    """Return the text of the part `name`."""
    kind, _, model = name.partition(" ")
    return keys(model) if kind == "keys" else PARTS[name]()


def generated(content: str) -> str:
    """Return a page with all its parts written anew."""
    return MARKED.sub(lambda found: f"{found[1]}\n{part(found[2]).strip()}\n\n{found[3]}", content)


def main() -> None:
    """Write every page that has changed."""
    for path in sorted(DOCS.glob("*.md")):
        before = path.read_text("utf-8")
        after = generated(before)
        if after != before:
            path.write_text(after, "utf-8")
            click.echo(f"wrote {path.relative_to(DOCS.parent)}")


if __name__ == "__main__":
    main()
