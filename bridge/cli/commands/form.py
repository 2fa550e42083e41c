"""form: the HTML of a form source, for your own page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.completion_values import complete_sources
from bridge.cli.options import AS_JSON, parse_url
from bridge.cli.ui import output
from bridge.core.errors import NotFound
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.routing.model import Config, Source

LANGUAGES = ("en", "de", "fr", "es")
FORMATS = ("html", "plain", "fetch", "react")


@click.command()
@click.argument("name", shell_complete=complete_sources)
@click.option(
    "--as",
    "kind",
    type=click.Choice(FORMATS),
    default="html",
    show_default=True,
    help=(
        "html (also called plain): HTML; fetch: with a script that sends it; react: a React"
        " component."
    ),
)
@click.option(
    "--url",
    metavar="URL",
    help="The URL of the bridge (default: FLOWBRIDGE_PUBLIC_URL, else its local address).",
)
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    help="The language of texts that are not in the schema (default: the source's, or en).",
)
@AS_JSON
@click.pass_obj
def form(
    config: str | None,
    *,
    name: str,
    kind: str,
    url: str | None,
    language: str | None,
    as_json: bool,
) -> None:
    """Print the HTML of the form source NAME, to paste into your own page.

    The fields come from the `schema` of the source: labels from `title`, required fields, limits,
    and autocompletion. A hidden field is a trap for bots. The bridge checks again what the browser
    checks.

    \b
    flowbridge form contact
    flowbridge form contact --as fetch --url https://hooks.example.com
    flowbridge form contact --as react > ContactForm.jsx
    """
    from bridge.web.forms import embed

    settings = settings_of(config)
    source = _source(load_present(settings), name)
    named = parse_url(url, "--url", "https://hooks.example.com") if url else None
    base = (named or settings.public_url or settings.bound_url).rstrip("/")
    page = source.form.page if source.form else None
    kind = "html" if kind == "plain" else kind
    write = {"html": embed.as_html, "fetch": embed.as_fetch, "react": embed.as_react}[kind]
    text = write(source, base, language or (page and page.language) or LANGUAGES[0])
    hosted = f"{base}/forms/{name}" if page and page.hosted else None
    example = source.form is None or source.form.schema_document is None
    if as_json:
        output.json_line(
            {
                "source": name,
                "as": kind,
                "action": f"{base}/hooks/{name}",
                "hosted": hosted,
                "example": example,
                "text": text,
            }
        )
        return
    output.answer(text)
    if example:
        output.say(f"{name} has no `schema`, so this is an example: you can use any field names.")
    captcha = source.form.spam.captcha if source.form else None
    if captcha is not None and captcha.site_key is None:
        output.say(
            "Its captcha needs a widget in place of the comment: set `site_key` under `captcha` to"
            " have it written."
        )
    if hosted:
        output.say(f"The same form as a hosted page: {hosted}")
    if not url and not settings.public_url:
        output.say(
            "This is its address on this machine; set the public one with --url URL or"
            " FLOWBRIDGE_PUBLIC_URL."
        )


def _source(config: Config, name: str) -> Source:
    """Return the form source of that name; `NotFound` lists those that exist."""
    forms = [source for source in config.sources.values() if source.form is not None]
    form_source = next((source for source in forms if source.name == name), None)
    if form_source is None:
        listed = ", ".join(source.name for source in forms) or "none yet (flowbridge add form)"
        what = "is not a form" if name in config.sources else "is not a source"
        raise NotFound(f"`{name}` {what}; forms: {listed}")
    return form_source
