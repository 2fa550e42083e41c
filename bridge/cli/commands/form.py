"""form: the HTML of a form source, to be pasted into a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output
from bridge.core.errors import NotFound
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.routing.model import Config, Source

LANGUAGES = ("en", "de", "fr", "es")
FORMATS = ("html", "plain", "fetch", "react")


@click.command()
@click.argument("name")
@click.option(
    "--as",
    "kind",
    type=click.Choice(FORMATS),
    default="html",
    show_default=True,
    help="Plain HTML (plain: the same), sent by a script, or for React.",
)
@click.option(
    "--url",
    metavar="URL",
    help="Where the bridge is reached (default: FLOWBRIDGE_PUBLIC_URL, else its address here).",
)
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    help="The language of what is not in the schema (default: the source's, or en).",
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
    """Print the HTML of the form source NAME, to paste into a page of yours.

    Its fields are those of the source's `schema`: labels by `title`, what is required, the limits,
    and what browsers may fill in. A field that no person sees is a trap for bots. What the browser
    checks is checked again when it is sent.

    \b
    flowbridge form contact
    flowbridge form contact --as fetch --url https://hooks.example.com
    flowbridge form contact --as react > ContactForm.jsx
    """
    from bridge.config.addresses import bracket
    from bridge.web.forms import embed

    settings = settings_of(config)
    source = _source(load_present(settings), name)
    host, port = settings.bind
    base = (url or settings.public_url or f"http://{bracket(host)}:{port}").rstrip("/")
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
        output.say(f"{name} has no `schema`, so this is an example: any names will do.")
    captcha = source.form.spam.captcha if source.form else None
    if captcha is not None and captcha.site_key is None:
        output.say(
            "Its captcha needs a widget where the comment stands: `site_key` under `captcha` has it"
            " written."
        )
    if hosted:
        output.say(f"The same form as a page of its own: {hosted}")
    if not url and not settings.public_url:
        output.say(
            "That is its address on this machine; --url URL or FLOWBRIDGE_PUBLIC_URL gives the one"
            " that others reach."
        )


def _source(config: Config, name: str) -> Source:
    """Return the form source of that name, or say which there are."""
    forms = [each for each in config.sources.values() if each.form is not None]
    found = next((each for each in forms if each.name == name), None)
    if found is None:
        listed = ", ".join(each.name for each in forms) or "none yet (flowbridge add form NAME)"
        what = "is no form" if name in config.sources else "is no source"
        raise NotFound(f"`{name}` {what}; forms: {listed}")
    return found
