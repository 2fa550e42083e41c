"""The keys of a form source: fields, files, pages, spam checks and captcha."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from bridge.config.schema import units
from bridge.config.schema.field_types import (
    TEXTS_SCHEMA,
    Duration,
    Memory,
    Size,
    StrictModel,
    Texts,
    parse_texts,
    require_text_or,
)
from bridge.ingest.bodies import MAX_FIELDS
from bridge.ingest.forms.spam.altcha import MAX_NUMBER
from bridge.ingest.forms.spam.captchas import CAPTCHA_SERVICES

BlocklistOf = Annotated[
    Any,
    AfterValidator(
        lambda value: require_text_or(
            value, list, "a list of texts, or the path of a file with one in each line"
        )
    ),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "string",
                    "description": "a file under the folder of routes.yaml, one entry in each line",
                },
                {"type": "array", "items": {"type": "string"}},
            ]
        }
    ),
]
TextsOrNone = Annotated[
    Any, AfterValidator(lambda value: () if value == [] else parse_texts(value)), TEXTS_SCHEMA
]
DuplicateWindow = Annotated[
    Any,
    BeforeValidator(lambda value: None if value == "keep" else units.parse_duration(value)),
    WithJsonSchema(
        {"anyOf": [{"const": "keep"}, {"type": "string", "pattern": units.DURATION_PATTERN}]}
    ),
]
SITE_KEY_PATTERN = r"^[A-Za-z0-9_-]{1,200}$"
CheckMode = Literal["optional", "required", "off"]
PageText = Annotated[str, Field(min_length=1, max_length=5000)]


class FieldsSchema(StrictModel):
    """Which fields a form accepts."""

    max: Annotated[int, Field(ge=1, le=MAX_FIELDS)] = Field(
        MAX_FIELDS, description="The maximum number of fields."
    )
    max_length: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        100_000, description="The maximum number of characters in a field."
    )
    nested: bool = Field(
        False,
        description="`a[b]=x` sets a member of an object, `a[0][b]=x` one of an object in a list.",
    )


class FilesSchema(StrictModel):
    """Which files a form accepts."""

    max: Annotated[int, Field(ge=1, le=50)] = Field(
        4, description="The maximum number of files in one submission."
    )
    max_size: Size = Field(6 * 1024 * 1024, description="The largest file, up to 25 MiB.")
    types: Texts = Field(
        ("image", "pdf", "document", "text"),
        description=(
            "The accepted types: groups (image, pdf, document, text…), types, .extensions, or any."
        ),
    )
    required: Texts | None = Field(None, description="Fields that must contain a file.")
    keep: Memory = Field(
        2 * 1024**3,
        description="The maximum size of all stored files of the form, in bytes or as 2 GiB.",
    )


def _kind_of_files(value: Any) -> str:
    return "yes" if isinstance(value, bool) else "which"


def _bool_or_mapping(value: Any) -> Any:
    if not isinstance(value, (bool, dict, FilesSchema)):
        raise ValueError("needs true, false, or a mapping that says which files")
    return value


FilesOf = Annotated[
    Annotated[
        Annotated[bool, Tag("yes")] | Annotated[FilesSchema, Tag("which")],
        Discriminator(_kind_of_files),
    ],
    BeforeValidator(_bool_or_mapping),
]


class PageSchema(StrictModel):
    """A form's pages: the hosted form at /forms/NAME, the error page and the thank-you page."""

    title: PageText | None = Field(None, description="The heading of the form.")
    intro: PageText | None = Field(
        None, description="The text above the fields; an empty line begins a new paragraph."
    )
    submit: PageText | None = Field(None, description="The text of the button.")
    thanks: PageText | None = Field(None, description="The text of the thank-you page.")
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
            "The language of all pages and messages. Default: the browser's preferred language."
        ),
    )
    hosted: bool = Field(True, description="Serve the form at /forms/NAME.")
    noindex: bool = Field(False, description="Ask search engines not to list the hosted form.")
    embed_in: list[str] | None = Field(
        None,
        description=(
            "The sites that may show the pages in a frame, such as https://example.com."
            " Default: none."
        ),
    )


class CaptchaSchema(StrictModel):
    """The captcha on a form's page, and how its service is called."""

    kind: Literal[*CAPTCHA_SERVICES] = Field(description="The service.")  # type: ignore[valid-type]  # mypy knows no Literal of an unpacked tuple
    secret: str = Field(description="The secret from the service: ${env:NAME} or ${file:PATH}.")
    site_key: Annotated[str, Field(pattern=SITE_KEY_PATTERN)] | None = Field(
        None,
        description=("The public key of its widget: `flowbridge form` writes the widget with it."),
    )
    score: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="recaptcha_v3: the lowest accepted score."
    )
    action: str | None = Field(None, description="The action that the solution must be for.")
    hostnames: Texts | None = Field(
        None, description="The hosts of the pages where it may be solved."
    )
    tell_address: bool = Field(False, description="Send the sender's IP address to the service.")
    unreachable: Literal["hold", "pass"] = Field(
        "hold",
        description=(
            "What happens if the service cannot be reached: mark the submission as spam, or let it"
            " pass."
        ),
    )
    timeout: Annotated[Duration, Field(le=20)] = Field(
        5.0, description="How long the service may take."
    )
    url: str | None = Field(
        None,
        description=(
            "The URL to call instead of the service's own: https, or http on this machine."
        ),
    )


class SpamSchema(StrictModel):
    """How spam is detected: such submissions are stored and shown, but start no flow."""

    honeypots: TextsOrNone = Field(
        ("_gotcha", "botcheck", "bot-field"),
        description="Invisible fields, which only a bot fills in; `[]` for none.",
    )
    token: CheckMode = Field(
        "optional",
        description="The signed token of the hosted form and the snippets, in the field `_token`.",
    )
    min_fill: Duration = Field(
        2.0,
        description="The shortest time a person needs to fill in the form, measured by the token.",
    )
    altcha: CheckMode = Field(
        "optional",
        description=(
            "A proof of work, in the field `altcha`: checked if present (`optional`), or required."
        ),
    )
    altcha_work: Annotated[int, Field(ge=1000, le=MAX_NUMBER)] = Field(
        100_000, description="How many numbers its solver tries at most; on average half as many."
    )
    expires: Duration = Field(
        86400.0, description="How long a token and a proof of work are valid."
    )
    captcha: CaptchaSchema | None = Field(None, description="A captcha on the page.")
    block_words: BlocklistOf | None = Field(
        None,
        description="Whole words and phrases, ignoring case; *part* also matches inside a word.",
    )
    block_addresses: BlocklistOf | None = Field(
        None, description="E-mail addresses in the fields; IP addresses and networks of senders."
    )
    block_domains: BlocklistOf | None = Field(
        None, description="Domains of links and e-mail addresses, with their subdomains."
    )
    max_links: Annotated[int, Field(ge=0, le=10_000)] | None = Field(
        None, description="The maximum number of links. Default: any number."
    )
    duplicates: DuplicateWindow = Field(
        600.0,
        description=(
            "How long the same fields from the same address count as one submission, if there is no"
            " token; `keep`: never."
        ),
    )
