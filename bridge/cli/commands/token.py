"""token: create, list and remove access tokens of the admin API."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from bridge.cli.actions.confirmation import confirm
from bridge.cli.actions.request import YES
from bridge.cli.bridge.access import open_bridge
from bridge.cli.bridge.request_parts import quote_id
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.core.scopes import (
    SCOPE_PRESETS,
    SCOPE_SUMMARIES,
    describe_allowed,
    list_scopes,
    parse_scopes,
    suggest_token,
)
from bridge.services.records.json_record import expect_shape, parse_time

if TYPE_CHECKING:
    from bridge.cli.bridge.client import Bridge
    from bridge.cli.bridge.transport import Shape
    from bridge.core.model import JSON

#: The keys of a new token in JSON.
NEW_KEYS = ("id", "name", "scopes", "ends_at", "token")
COLUMNS = (
    tables.ID_COLUMN,
    Column("name"),
    Column("scopes"),
    Column("created", whole=True),
    Column("used", whole=True),
    Column("ends", style=lambda text: "red" if text.startswith(EXPIRED) else None, whole=True),
)
EXPIRED = "expired "
NEVER = "never"


class ScopesParam(click.types.StringParamType):
    """A list of scopes; the bridge that creates the token parses it."""

    def get_missing_message(
        self,
        param: click.Parameter,  # noqa: ARG002 - click's signature
        ctx: click.Context | None,  # noqa: ARG002 - click's signature
    ) -> str:
        """Return the words that are allowed."""
        allowed = describe_allowed()
        return f"{allowed[:1].upper()}{allowed[1:]}."


@click.group()
def token() -> None:
    """Manage access tokens of the admin API.

    Only the hash of a token is stored. A new token is valid at once in every process, and a removed
    one is refused at once.

    \b
    flowbridge token add grafana --scope viewer
    flowbridge token list
    flowbridge token remove grafana
    """


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=ScopesParam(),
    required=True,
    multiple=True,
    metavar="SCOPE[,SCOPE]",
    help="What the token permits: "
    + "; ".join(f"{scope} ({summary})" for scope, summary in SCOPE_SUMMARIES.items())
    + ". Or a preset: "
    + "; ".join(f"{name} ({', '.join(list_scopes(of))})" for name, of in SCOPE_PRESETS.items())
    + ".",
)
@click.option(
    "--expires",
    metavar="TIME",
    help="The lifetime, such as 12h or 90d. Without it, the token is valid until it is removed.",
)
@AS_JSON
@click.pass_obj
def add(
    config: str | None, /, name: str, scopes: tuple[str, ...], expires: str | None, as_json: bool
) -> None:
    """Create a token and print it, once: flowbridge cannot show it again.

    NAME says who or what uses the token. Only the token goes to stdout, everything else to stderr.

    \b
    flowbridge token add grafana --scope read
    flowbridge token add ci --scope read,act --expires 90d
    TOKEN=$(flowbridge token add script --scope reader)
    """
    try:
        words: list[JSON] = [*list_scopes(parse_scopes(",".join(scopes)))]
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    lifetime = {} if expires is None else {"expires": expires}
    with open_bridge(config, creates=True) as bridge:
        new = bridge.post("/tokens", {"name": name, "scopes": words, **lifetime})
    with expect_shape():
        if as_json:
            output.json_line({key: new[key] for key in NEW_KEYS})
            return
        output.answer(str(new["token"]))
        _explain_new(new, bridge.transport.url)


def _explain_new(new: Shape, url: str) -> None:
    ends_at = parse_time(new["ends_at"])
    ends = "it does not expire" if ends_at is None else f"it ends at {output.utc(ends_at)}"
    output.say(f"{new['name']} ({new['id']}) has {_scopes(new)}; {ends}.")
    output.say("Store the token now: it is not shown again. To use it:")
    for text, command in (
        ("in a browser, paste it into", f"{url}/console/login"),
        ("commands of another machine", f"flowbridge login {url}"),
        (
            "a program, with TOKEN set to the token",
            f'curl -H "Authorization: Bearer $TOKEN" {url}/admin/v1/status',
        ),
    ):
        output.say(f"  {text}: {command}")


@token.command("list")
@AS_JSON
@click.pass_obj
def list_(config: str | None, /, as_json: bool) -> None:
    """List the tokens, the oldest first, with their latest use (to the minute). An expired token
    stays in the list for 30 days.

    \b
    flowbridge token list
    """
    with open_bridge(config) as bridge, expect_shape():
        tokens = list(bridge.get("/tokens")["items"])
        rows = [_row(token, time.time()) for token in tokens]
    if as_json:
        for token in tokens:
            output.json_line(token)
    elif not tables.print_table(COLUMNS, rows):
        output.say(f"No tokens. Create one: {suggest_token('read')}")


@token.command()
@click.argument("token", metavar="NAME|ID")
@AS_JSON
@click.option("--dry-run", is_flag=True, help="Print which token it is; remove nothing.")
@YES
@click.pass_obj
def remove(config: str | None, /, token: str, as_json: bool, dry_run: bool, yes: bool) -> None:
    """Remove a token by its name, or by its id or a unique part of it. Every process refuses it
    from then on.

    \b
    flowbridge token remove ci
    flowbridge token remove tok_01jd2x --yes
    """
    with open_bridge(config) as bridge, expect_shape():
        removed = _find(bridge, token)
        described = f"{removed['name']} ({removed['id']})"
        question = f"the token {described} will be removed"
        if not confirm(question, 1, dry_run=dry_run, yes=yes, as_json=as_json):
            return
        bridge.transport.delete(f"/tokens/{quote_id(str(removed['id']))}")
    if as_json:
        output.json_line(removed)
    else:
        output.answer(f"removed: {described}")


def _find(bridge: Bridge, text: str) -> Shape:
    """Return the token with this name or id. A name may have letters that no path has."""
    tokens: Sequence[Shape] = bridge.get("/tokens")["items"]
    named = next((row for row in tokens if row["name"] == text), None)
    return named or bridge.get(f"/tokens/{quote_id(text)}")


def _row(token: Shape, now: float) -> tuple[str, ...]:
    created_at, used_at, ends_at = (
        parse_time(token[key]) for key in ("created_at", "last_used_at", "ends_at")
    )
    ends = NEVER if ends_at is None else output.utc(ends_at)
    return (
        str(token["id"]),
        str(token["name"]),
        ",".join(token["scopes"]),
        output.moment(created_at),
        NEVER if used_at is None else output.moment(used_at),
        ends if ends_at is None or now < ends_at else EXPIRED + ends,
    )


def _scopes(token: Shape) -> str:
    listed = token["scopes"]
    return f"the scope{'s' if len(listed) > 1 else ''} {', '.join(listed)}"
