"""token: create, list and remove access tokens of the admin API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from bridge.cli.actions.confirmation import confirm
from bridge.cli.actions.request import YES
from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON, wrong_usage
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.core.errors import NotFound
from bridge.core.scopes import SCOPE_PRESETS, SCOPE_SUMMARIES, list_scopes
from bridge.services.serializers import token_json
from bridge.services.store_access import open_or_create_store, open_store

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.access_token import AccessToken

#: The keys of a new token in JSON, beside the secret.
NEW_KEYS = ("id", "name", "scopes", "ends_at")
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
    from bridge.services.access_tokens import create_token
    from bridge.services.operations import find_audit_actor

    settings = settings_of(config)
    with wrong_usage(), open_or_create_store(settings) as database:
        new, secret = create_token(
            database,
            name,
            ",".join(scopes),
            expires,
            now=time.time(),
            by=find_audit_actor(settings),
        )
    if as_json:
        shape = token_json(new)
        output.json_line({key: shape[key] for key in NEW_KEYS} | {"token": secret})
        return
    output.answer(secret)
    _explain_new(new, settings)


def _explain_new(new: AccessToken, settings: Settings) -> None:
    ends = "it does not expire" if new.ends_at is None else f"it ends at {output.utc(new.ends_at)}"
    output.say(f"{new.name} ({new.id}) has {_scopes(new)}; {ends}.")
    output.say("Store the token now: it is not shown again. To use it, set TOKEN to it, then:")
    output.say(f'  curl -H "Authorization: Bearer $TOKEN" {settings.private_url}/admin/v1/status')


@token.command("list")
@AS_JSON
@click.pass_obj
def list_(config: str | None, /, as_json: bool) -> None:
    """List the tokens, the oldest first, with their latest use (to the minute). An expired token
    stays in the list for 30 days.

    \b
    flowbridge token list
    """
    from bridge.store.operations import tokens

    now = time.time()
    with open_store(settings_of(config)) as database:
        found = [] if database is None else tokens.list_tokens(database)
    if as_json:
        for one in found:
            output.json_line(token_json(one))
    elif not tables.print_table(COLUMNS, [_row(one, now) for one in found]):
        output.say("No tokens. Create one: flowbridge token add NAME --scope read")


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
    from bridge.services.access_tokens import remove_token
    from bridge.services.operations import find_audit_actor
    from bridge.store.operations import tokens

    settings = settings_of(config)
    with open_store(settings) as database:
        if database is None:
            raise NotFound(f"there is no token {token!r}: there is no database yet")
        found = tokens.find(database, token)
        question = f"the token {found.name} ({found.id}) will be removed"
        if not confirm(question, 1, dry_run=dry_run, yes=yes, as_json=as_json):
            return
        removed = remove_token(database, found.id, find_audit_actor(settings))
    if as_json:
        output.json_line(token_json(removed))
    else:
        output.answer(f"removed: {removed.name} ({removed.id})")


def _row(one: AccessToken, now: float) -> tuple[str, ...]:
    ends = NEVER if one.ends_at is None else output.utc(one.ends_at)
    return (
        one.id,
        one.name,
        ",".join(list_scopes(one.scopes)),
        output.moment(one.created_at),
        NEVER if one.used_at is None else output.moment(one.used_at),
        ends if one.is_valid(now) else EXPIRED + ends,
    )


def _scopes(one: AccessToken) -> str:
    listed = list_scopes(one.scopes)
    return f"the scope{'s' if len(listed) > 1 else ''} {', '.join(listed)}"
