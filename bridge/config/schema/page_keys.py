"""What a form's source says of its pages: the keys, their types and what each means."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.config.schema.field_types import Written

Texted = Annotated[str, Field(min_length=1, max_length=5000)]


class Page(Written):
    """A form's own pages: the hosted form at /forms/NAME, what is shown where something is wrong,
    and the thanks.
    """

    title: Texted | None = Field(None, description="The heading of the form.")
    intro: Texted | None = Field(
        None, description="What stands above the fields; an empty line begins a new paragraph."
    )
    submit: Texted | None = Field(None, description="What the button says.")
    thanks: Texted | None = Field(None, description="What the thank-you page says.")
    thanks_template: str | None = Field(
        None,
        description=(
            "A thank-you page of your own: a Jinja template, a file under the folder of"
            " routes.yaml."
        ),
    )
    language: Literal["en", "de", "fr", "es"] | None = Field(
        None,
        description=(
            "The language of all pages and messages. Default: the one that the browser asks for."
        ),
    )
    hosted: bool = Field(True, description="Serve the form at /forms/NAME.")
    noindex: bool = Field(False, description="Ask search engines not to list the hosted form.")
    embed_in: list[str] | None = Field(
        None,
        description=(
            "The sites that may show the pages in a frame, as https://example.com. Default: none."
        ),
    )
