"""providers: the built-in providers, how each is verified and set up, and the evidence for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridge.cli.completion_values import complete_providers
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.core.locators import JoinedLocators
from bridge.core.model import JSON
from bridge.providers.model import UNKNOWN_TEXT
from bridge.providers.signatures.pins import pins_of

if TYPE_CHECKING:
    from bridge.core.locators import AnyLocator
    from bridge.providers.model import Provider

COLUMNS = (
    Column("provider", whole=True),
    Column("sender", spare=True),
    Column("evidence", whole=True),
    Column("signed", spare=True),
)
EVIDENCE = {
    "vector": "tested with signatures that the sender has published",
    "sdk": "checked against the sender's own library",
    "docs": "as the sender documents it",
    "unconfirmed": "not confirmed: try it before you rely on it",
}
CONFIRMED = "confirmed automatically, for the pinned values"
LABEL_COLUMNS = 16  # of a name, before its value


@click.command()
@click.argument("name", required=False, metavar="[NAME | WORD]", shell_complete=complete_providers)
@AS_JSON
def providers(name: str | None, as_json: bool) -> None:
    """List the built-in providers, or show one: how to set it up, what it signs, and how it
    behaves.

    A WORD that is not the name of a provider lists those with the word in their name, title or
    kind. Any other sender works too, as hmac, token or basic with its own `verify:` in routes.yaml.

    \b
    flowbridge providers
    flowbridge providers pay
    flowbridge providers stripe
    """
    from bridge.core.typos import suggest
    from bridge.providers.registry import PROVIDERS

    if name in PROVIDERS:
        output.json_line(provider_json(PROVIDERS[name])) if as_json else _print(PROVIDERS[name])
        return
    groups = _found(name or "")
    if not groups:
        other = "`flowbridge providers` lists all; any other sender works as hmac or token"
        raise click.UsageError(
            f"no provider has {name!r} in its name, title or kind;"
            f" {suggest(name or '', PROVIDERS)}{other}"
        )
    rows = [row for group in groups.values() for row in group]
    if as_json:
        for row in rows:
            output.json_line(provider_json(row))
        return
    for number, (kind, members) in enumerate(groups.items()):
        click.secho(("\n" if number else "") + kind, bold=True)
        tables.print_table(
            COLUMNS, ((row.name, row.title, row.evidence, row.signs) for row in members)
        )
    output.say(
        "\nEVIDENCE: "
        + "; ".join(f"{word} = {meaning}" for word, meaning in EVIDENCE.items())
        + "."
    )
    proven = sum(row.evidence != "unconfirmed" for row in rows)
    output.say(
        f"{output.number(len(rows), 'provider')}, {proven} of them confirmed. Show one:"
        " flowbridge providers github"
    )


def _found(word: str) -> dict[str, list[Provider]]:
    """Return the providers that match a word, by kind; all for an empty word."""
    from bridge.providers.registry import CATALOG_MODULES, catalog_title

    search_word = word.casefold().strip()
    groups = {
        catalog_title(module): [
            row
            for row in module.ROWS
            if any(
                search_word in text.casefold()
                for text in (row.name, row.title, catalog_title(module))
            )
        ]
        for module in CATALOG_MODULES
    }
    return {kind: rows for kind, rows in groups.items() if rows}


def provider_json(row: Provider) -> dict[str, JSON]:
    """Return a provider as JSON, with every key."""
    return {
        "name": row.name,
        "title": row.title,
        "evidence": row.evidence,
        "signs": row.signs,
        "limits": row.limits or None,
        "setup": row.explain_setup(),
        "secret": row.secret_hint,
        "generates_secret": row.generates_secret,
        "pins": [pin.name for pin in pins_of(row.scheme)],
        "event_type": [_place(place) for place in row.event_type],
        "event_id": [_place(place) for place in row.event_id],
        "dedup_body": row.dedup_body,
        "batch": row.batch is not None,
        "handshake": bool(row.handshakes),
        "confirms": row.confirmation is not None,
        "max_body": row.max_body,
        "answer_within": None if row.answer_within == UNKNOWN_TEXT else row.answer_within,
        "retries": row.retries,
        "retry_number": [_place(place) for place in row.retry],
        "samples": [sample.type for sample in row.samples],
        "docs": row.docs,
    }


def _print(row: Provider) -> None:
    click.secho(f"{row.title} ({row.name})", bold=True)
    click.echo()
    click.echo(output.wrap_text(row.explain_setup()))
    click.echo()
    ids = ", else ".join(_place(place) for place in row.event_id)
    pins = pins_of(row.scheme)
    unknown = "by the same body" if row.dedup_body else "not detected: it sends no id"
    facts = {
        "signed": row.signs,
        "evidence": EVIDENCE[row.evidence],
        "secret": row.secret_hint,
        "pins": ", ".join(f"{pin.name} ({pin.what})" for pin in pins),
        "event type": (
            ", else ".join(_place(place) for place in row.event_type)
            or "set by `event_type` of the source"
        ),
        "duplicates": f"by {ids}" if ids else unknown,
        "batches": "each element of a request is a separate event" if row.batch else "",
        "test of the URL": "answered automatically" if row.handshakes else "",
        "subscriptions": CONFIRMED if row.confirmation else "",
        "answer within": row.answer_within,
        "retries": row.retries,
        "attempt number": ", else ".join(_place(place) for place in row.retry),
        "good to know": row.limits,
        "its docs": row.docs,
    }
    for name, value in facts.items():
        if value:
            click.echo(
                click.style(name.ljust(LABEL_COLUMNS), dim=True)
                + output.wrap_text(value, LABEL_COLUMNS)
            )
    click.echo()
    output.answer(
        " ".join(
            [
                f"flowbridge add {row.name}",
                *(f"--pin {pin.name}=VALUE" for pin in pins if pin.required),
            ]
        )
    )
    if row.learn is not None:
        output.answer(f"flowbridge learn {row.name}")
    for sample in row.samples:
        output.answer(f"flowbridge sample {row.name} {sample.type}")


def _place(place: AnyLocator) -> str:
    return " + ".join(place.texts) if isinstance(place, JoinedLocators) else str(place)
