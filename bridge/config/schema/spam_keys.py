"""A form's `spam:` as it is written."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from bridge.config.schema import units
from bridge.config.schema.field_types import TEXTS, Duration, Texts, Written, text_or, texts_of
from bridge.ingest.forms.spam.altcha import MOST_WORK
from bridge.ingest.forms.spam.captchas import KINDS

Listed = Annotated[
    Any,
    AfterValidator(
        lambda value: text_or(
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
    Any, AfterValidator(lambda value: () if value == [] else texts_of(value)), TEXTS
]
Window = Annotated[
    Any,
    BeforeValidator(lambda value: None if value == "keep" else units.duration(value)),
    WithJsonSchema({"anyOf": [{"const": "keep"}, {"type": "string", "pattern": units.DURATION}]}),
]
SITE_KEY = r"^[A-Za-z0-9_-]{1,200}$"
Switch = Literal["optional", "required", "off"]


class Captcha(Written):
    """The captcha that a form's page has, and how its service is asked."""

    kind: Literal[*KINDS] = Field(description="Whose it is.")  # type: ignore[valid-type]  # mypy knows no Literal of an unpacked tuple
    secret: str = Field(
        description="The secret that the service gave: ${env:NAME} or ${file:PATH}."
    )
    site_key: Annotated[str, Field(pattern=SITE_KEY)] | None = Field(
        None,
        description=(
            "The key of its widget, which is no secret: `flowbridge form` writes the widget"
            " with it."
        ),
    )
    score: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="recaptcha_v3: the least score. Default: 0.5."
    )
    action: str | None = Field(None, description="The action that it must be for.")
    hostnames: Texts | None = Field(
        None, description="The hosts of the pages where it may have been solved. Default: any."
    )
    tell_address: bool = Field(False, description="Tell the service the sender's address.")
    unreachable: Literal["hold", "pass"] = Field(
        "hold",
        description=(
            "What happens where the service cannot be asked: hold it as spam, or let it pass."
        ),
    )
    timeout: Annotated[Duration, Field(le=20)] = Field(
        5.0, description="How long the service may take."
    )
    url: str | None = Field(
        None,
        description=(
            "Where it is asked, if not at the service itself: https, or http on this machine."
        ),
    )


class Spam(Written):
    """By what a form's submissions are held to be spam: kept and shown, but nothing is planned of
    them.
    """

    honeypots: TextsOrNone = Field(
        ("_gotcha", "botcheck", "bot-field"),
        description="Fields that nobody sees, so that only a bot fills one in; `[]` is none.",
    )
    token: Switch = Field(
        "optional",
        description="The signed token of the hosted form and the snippets, in the field `_token`.",
    )
    min_fill: Duration = Field(
        2.0, description="How long it takes a person at least to fill the form in, by the token."
    )
    altcha: Switch = Field(
        "optional",
        description=(
            "A proof of work, in the field `altcha`: right where it is there, or always there."
        ),
    )
    altcha_work: Annotated[int, Field(ge=1000, le=MOST_WORK)] = Field(
        100_000, description="How many numbers its solver tries at most: half as many in the mean."
    )
    expires: Duration = Field(
        86400.0, description="How long a token and a proof of work are good for."
    )
    captcha: Captcha | None = Field(None, description="A captcha that the page has.")
    block_words: Listed | None = Field(
        None, description="Words and phrases, whole and in any case; *part* also inside of a word."
    )
    block_addresses: Listed | None = Field(
        None, description="E-mail addresses in the fields; IP addresses and networks of senders."
    )
    block_domains: Listed | None = Field(
        None, description="Domains of links and e-mail addresses, with those below them."
    )
    max_links: Annotated[int, Field(ge=0, le=10_000)] | None = Field(
        None, description="Links that it may hold. Default: any number."
    )
    duplicates: Window = Field(
        600.0,
        description=(
            "How long the same fields from the same address are one submission, where no token"
            " tells; `keep`: never."
        ),
    )
