"""Records of the part of a source that only forms have, built by `bridge.config`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bridge.core.model import JSON
from bridge.routing.schemas.validator import Validator


class PageTemplate(Protocol):
    """A compiled custom page."""

    def render(self, values: Mapping[str, JSON]) -> str:
        """Return the page with `values` filled in; CompileError if that fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The texts and the access of a form's pages.

    Null texts are the default ones, in the language of the browser.
    """

    title: str | None = None
    intro: str | None = None
    submit: str | None = None
    thanks: str | None = None
    thanks_template: PageTemplate | None = None
    language: str | None = None  # null: the language of the browser
    hosted: bool = True
    noindex: bool = False
    embed_in: tuple[str, ...] = ()  # origins of the sites that may show the pages in a frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Captcha:
    """A form's captcha, and the conditions on its solution.

    `kind` is the name of a row of `bridge.ingest.forms.spam.captchas`; `url` is the service's.
    """

    kind: str
    url: str
    secret: str = field(repr=False)
    site_key: str | None = None  # of the widget; public
    score: float | None = None  # the minimum, for captchas with a score
    action: str | None = None
    # of the pages where it may be solved; empty: any
    hostnames: frozenset[str] = frozenset()
    tells_address: bool = False
    holds: bool = True  # a submission that could not be checked is spam
    timeout: float = 5.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocklists:
    """The blocklists of a form, prepared for lookups by `bridge.ingest.forms.spam.blocklists`.

    `phrases` are sequences of words, by their length; `parts` also match inside a word.
    `networks`: the bits of each network, by (version, prefix length).
    """

    phrases: Mapping[int, frozenset[tuple[str, ...]]] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    mailboxes: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    networks: Mapping[tuple[int, int], frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spam:
    """The spam checks of a form.

    `token` and `altcha`: optional (valid if present) | required | off.
    """

    honeypots: tuple[str, ...] = ("_gotcha", "botcheck", "bot-field")
    token: str = "optional"  # noqa: S105 - no password
    altcha: str = "optional"
    min_fill: float = 2.0  # seconds between the token and the submission
    expires: float = 86400.0  # seconds that a token and a challenge are valid
    work: int = 100_000  # the most numbers that the solver of an ALTCHA challenge tries
    captcha: Captcha | None = None
    blocked: Blocklists = Blocklists()
    max_links: int | None = None
    # seconds in which the same fields from the same address count once; null: always count
    duplicates: float | None = 600.0

    @property
    def reads_tokens(self) -> bool:
        """Whether tokens are checked: with a captcha, also if they are off."""
        return self.token != "off" or self.captcha is not None  # noqa: S105 - the word for how a form uses its token

    @property
    def reads_work(self) -> bool:
        """Whether proofs of work are checked: with a captcha, also if they are off."""
        return self.altcha != "off" or self.captcha is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRules:
    """The limits of a form's fields; with `nested`, `a[b]` is a member of an object."""

    max: int = 1000
    max_length: int = 100_000
    nested: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRules:
    """The files that a form accepts.

    `types` are rows of `bridge.core.file_types`, null for any. Files with one of the further
    `extensions` are accepted unless a browser would run them. `required`: fields that need a file.
    `keep`: the bytes of all its stored files.
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
    """The part of a source that only forms have.

    `schema` is compiled from `schema_document`; both are null without a JSON Schema. `files` is
    null if the form takes none.
    """

    redirect: str | None = None  # the page after a submission
    # after an invalid submission: page | back, to the page that sent it | a URL
    on_error: str = "page"
    allowed_origins: tuple[str, ...] = ()  # empty: every site may send it
    page: Page = Page()
    schema: Validator | None = None
    schema_document: Mapping[str, JSON] | None = None
    fields: FieldRules = DEFAULT_FIELD_RULES
    files: FileRules | None = None
    # how a sender's address is stored: full | truncated | hashed | none
    addresses: str = "truncated"
    spam: Spam = Spam()

    @property
    def trades_captcha(self) -> bool:
        """Whether the hosted pages use a proof of work instead of the captcha.

        They load no content from third parties.
        """
        return self.spam.captcha is not None and self.page.hosted

    @property
    def properties(self) -> Mapping[str, JSON]:
        """The fields that the schema names, each with its own schema."""
        properties = (self.schema_document or {}).get("properties")
        return properties if isinstance(properties, Mapping) else {}

    @property
    def field_names(self) -> frozenset[str]:
        """The fields that routes.yaml names."""
        return frozenset((*self.properties, *(self.files.required if self.files else ())))
