"""What only a source of forms has, checked and compiled, as frozen records. Pure: `config` builds
them, the core only reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.model import JSON
from bridge.routing.schemas.validator import Validator


class PageTemplate(Protocol):
    """A compiled page of the operator's own."""

    def render(self, values: Mapping[str, JSON]) -> str:
        """Return the page with `values` in it; CompileError where that cannot be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a form's pages say, and who may see them. Null texts are our own, in the language of the
    browser.
    """

    title: str | None = None
    intro: str | None = None
    submit: str | None = None
    thanks: str | None = None
    thanks_template: PageTemplate | None = None
    language: str | None = None  # null: as the browser asks
    hosted: bool = True
    noindex: bool = False
    embed_in: tuple[str, ...] = ()  # origins of the sites that may show the pages in a frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Captcha:
    """A form's captcha: a row of `bridge.ingest.forms.captchas` by its name, and what its answer
    must be. `url`: where it is asked.
    """

    kind: str
    url: str
    secret: str = field(repr=False)
    site_key: str | None = None  # of the widget; not secret
    score: float | None = None  # the least, of a captcha that gives one
    action: str | None = None
    # of the pages where it may have been solved; empty: any
    hostnames: frozenset[str] = frozenset()
    tells_address: bool = False
    holds: bool = True  # what could not be checked is spam
    timeout: float = 5.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """What no submission may hold or come from, ready to be looked up; built by
    `bridge.ingest.forms.blocklists`.

    `phrases` are runs of words by how many they are; `parts` may stand inside of a word.
    `networks`: by (version, prefix length), the bits of each network.
    """

    phrases: Mapping[int, frozenset[tuple[str, ...]]] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    mailboxes: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    networks: Mapping[tuple[int, int], frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spam:
    """By what a form's submissions are held to be spam. `token` and `altcha`: optional (right where
    it is there) | required | off.
    """

    honeypots: tuple[str, ...] = ("_gotcha", "botcheck", "bot-field")
    token: str = "optional"  # noqa: S105 - no password
    altcha: str = "optional"
    min_fill: float = 2.0  # seconds between the token and the submission
    expires: float = 86400.0  # seconds that a token and a challenge are good for
    work: int = 100_000  # the most numbers that an ALTCHA challenge has its solver try
    captcha: Captcha | None = None
    blocked: Blocked = Blocked()
    max_links: int | None = None
    # seconds in which the same fields from the same address are one submission; null: never
    duplicates: float | None = 600.0

    @property
    def reads_tokens(self) -> bool:
        """Whether tokens are looked at: also where they are off, but may stand for a captcha."""
        return self.token != "off" or self.captcha is not None  # noqa: S105 - the word for how a form uses its token

    @property
    def reads_work(self) -> bool:
        """The same of proofs of work."""
        return self.altcha != "off" or self.captcha is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRules:
    """What fields a form takes: how many, of how many characters each, and whether `a[b]` is an
    object's member.
    """

    max: int = 1000
    max_length: int = 100_000
    nested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRules:
    """What files a form takes. `types` are rows of `filetypes`, null for any; of `extensions`
    whatever no browser runs.

    `required`: fields in which a file has to be. `keep`: bytes of all its files that are kept at a
    time.
    """

    max: int = 4
    max_size: int = 6 * 1024 * 1024
    types: frozenset[str] | None = frozenset()
    extensions: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    keep: int = 2 * 1024**3


DEFAULT_FIELD_RULES = FieldRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What only a form source has. `schema_document` is the JSON Schema that `schema` was compiled
    from; both null without one.

    `files` is null where the form takes none.
    """

    redirect: str | None = None  # the page that follows
    # what follows where it is not taken: page | back, to the page that sent it | the URL of one
    on_error: str = "page"
    allowed_origins: tuple[str, ...] = ()  # empty: every site may send it
    page: Page = Page()
    schema: Validator | None = None
    schema_document: Mapping[str, JSON] | None = None
    fields: FieldRules = DEFAULT_FIELD_RULES
    files: FileRules | None = None
    # what is kept of a sender's address: full | truncated | hashed | none
    addresses: str = "truncated"
    spam: Spam = Spam()

    @property
    def trades_captcha(self) -> bool:
        """Whether on pages of ours, which have nothing of others in them, a proof of work stands
        for the captcha.
        """
        return self.spam.captcha is not None and self.page.hosted

    @property
    def properties(self) -> Mapping[str, JSON]:
        """The fields that the schema names, each with its own schema."""
        found = (self.schema_document or {}).get("properties")
        return found if isinstance(found, Mapping) else {}
