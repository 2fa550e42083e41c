"""A list of the console: filters as query parameters, a page of items, and links to other pages.

The URL is the only state, so Back, Reload and a bookmark show the same. The parameters are those of
the admin API and the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.parameters import Parameter
from bridge.api.problems import ApiProblem
from bridge.core.advice import Advice
from bridge.routing.model import Config
from bridge.web.console.console_request import ConsoleRequest
from bridge.web.console.failures import as_sentence
from bridge.web.console.links import make_link
from bridge.web.console.sample_commands import suggest_first_step

#: Parameters that are no filters.
PAGE_PARAMETERS: Final = ("before", "limit", "screen")
NO_SUCH_PLACE: Final = (
    "`before` is no place of this list with these filters. Begin with the newest."
)
#: The id of the first row of a page, of the URL that counts the rows above it.
NEWER: Final = "newer"
#: Examples in the fields.
HINTS: Final = {
    "type": "issues, invoice.*",
    "since": "2d, 15m, 2026-11-24",
    "until": "1h, 2026-11-25",
    "where": "body.action=opened",
}
LABELS: Final = {
    "dead_kind": "dead by",
    "body": "body contains",
    "reason": "reason contains",
    "text": "field contains",
    "unfinished": "with items left",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterField:
    """A field of the form of filters. `options`: the values to choose from, none for any text.

    `is_rare`: it is folded away until it is used.
    """

    name: str
    label: str
    value: str
    options: Sequence[str] = ()
    hint: str = ""
    doc: str = ""
    is_rare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterChip:
    """A filter that is set, with the URL of the list without it."""

    name: str
    text: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Filters that people often want, as a link."""

    label: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleList:
    """A page of a list, for the macros `filter_form`, `pager` and `no_rows`.

    `poll_url`: the URL that counts rows above the first. `looked_until`: the time of the oldest row
    that was looked at. `is_partial`: the budget ended before the page was full, so older rows were
    not looked at. `first_step`: how to get a first row.
    """

    url: str
    items: Sequence[Mapping[str, Any]]
    fields: Sequence[FilterField] = ()
    chips: Sequence[FilterChip] = ()
    presets: Sequence[Preset] = ()
    errors: Sequence[str] = ()
    next_url: str | None = None
    newest_url: str | None = None
    poll_url: str | None = None
    looked_until: str | None = None
    is_partial: bool = False
    first_step: Advice | None = None

    @property
    def status(self) -> int:
        """The status of the page: 400 where filters are wrong."""
        return 400 if self.errors else 200

    @property
    def has_rare(self) -> bool:
        """Whether fields are folded away."""
        return any(filter_field.is_rare for filter_field in self.fields)

    @property
    def opens_rare(self) -> bool:
        """Whether one of them is used."""
        return any(filter_field.is_rare and filter_field.value for filter_field in self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKind:
    """A kind of list. `answer` is the function of the admin API that answers its pages.

    `parameters` are those that it takes from the URL, `fixed` others with a value of ours. `rare`:
    the filters that are folded away. `presets`: a label and its filters. `is_live`: its page says
    how many rows are new. `is_of_rejects`: a first row is a request that is refused.
    """

    path: str
    answer: Callable[[ApiContext, ApiRequest], Answer]
    parameters: Sequence[Parameter]
    fixed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    rare: Sequence[str] = ()
    presets: Sequence[tuple[str, Mapping[str, str]]] = ()
    is_live: bool = False
    is_of_rejects: bool = False


def read_list(console_request: ConsoleRequest, kind: ListKind) -> ConsoleList:
    """Return a page of a list; wrong filters, and a cursor of other filters, are named in it."""
    query = console_request.given
    url = make_link(kind.path)
    visible_parameters = [
        parameter
        for parameter in kind.parameters
        if console_request.may_read_contents or not parameter.reads_contents
    ]
    newest_url = make_link(kind.path, _without(query, "before"))
    frame: dict[str, Any] = {
        "url": url,
        "newest_url": newest_url if "before" in query else None,
        "fields": [
            make_field(parameter, text, console_request, is_rare=parameter.name in kind.rare)
            for parameter in visible_parameters
            if parameter.name not in (*PAGE_PARAMETERS, *kind.fixed)
            for text in _list_texts(parameter, query)
        ],
        "chips": list(_make_chips(kind, query)),
        "presets": [
            Preset(label=label, url=make_link(kind.path, filters))
            for label, filters in kind.presets
        ],
        "first_step": suggest_first_step(
            console_request.context.config(), forges=kind.is_of_rejects
        ),
    }
    try:
        answer = console_request.read(kind.answer, kind.parameters, {**query, **kind.fixed})
    except ApiProblem as error:
        if error.type.word == "cursor_of_another_list":
            return ConsoleList(items=(), errors=[NO_SUCH_PLACE], **frame)
        if error.type.word != "invalid_parameter":
            raise
        return ConsoleList(items=(), errors=describe_errors(error), **frame)
    next_ = answer["next"]
    items = answer["items"]
    limit = next(
        (parameter.default for parameter in kind.parameters if parameter.name == "limit"), 0
    )
    if "limit" in query:
        limit = int(query["limit"][0])
    return ConsoleList(
        items=items,
        next_url=make_link(kind.path, {**query, "before": [next_]}) if next_ else None,
        poll_url=make_link(kind.path, {**query, NEWER: [items[0]["id"] if items else ""]})
        if kind.is_live and "before" not in query
        else None,
        looked_until=answer["looked_until"],
        is_partial=next_ is not None and len(items) < limit,
        **frame,
    )


def _list_texts(parameter: Parameter, query: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """Return the texts of the fields of a filter; one that may be repeated has an empty field."""
    texts = query.get(parameter.name, ())
    return [*texts[: parameter.max_count - 1], ""] if parameter.max_count > 1 else texts[:1] or [""]


def make_field(
    parameter: Parameter, value: str, console_request: ConsoleRequest, *, is_rare: bool = False
) -> FilterField:
    """Return the field of a filter with its value."""
    options = parameter.allowed or list_names(console_request.context.config()).get(
        parameter.name, ()
    )
    return FilterField(
        name=parameter.name,
        label=LABELS.get(parameter.name, parameter.name),
        value=value,
        options=add_chosen(options, value) if options else _words_of(parameter),
        hint=HINTS.get(parameter.name, ""),
        doc=parameter.doc,
        is_rare=is_rare,
    )


def list_names(config: Config) -> Mapping[str, Sequence[str]]:
    """Return the configured names to choose from, by the filter."""
    return {"source": [*config.sources], "route": [*dict.fromkeys(config.route_names)]}


def add_chosen(options: Sequence[str], value: str) -> Sequence[str]:
    """Return options with the one that is chosen: it may be no longer configured."""
    return options if not value or value in options else [*options, value]


def describe_errors(problem: ApiProblem) -> Sequence[str]:
    """Return a sentence for each filter that is not valid."""
    return [_describe(error) for error in problem.errors]


def _words_of(parameter: Parameter) -> Sequence[str]:
    words: Any = parameter.allowed or parameter.schema.get("enum", ())
    return [str(word) for word in words]


def _make_chips(kind: ListKind, query: Mapping[str, Sequence[str]]) -> Sequence[FilterChip]:
    chips = []
    for name, texts in query.items():
        if name in PAGE_PARAMETERS:
            continue
        for index, text in enumerate(texts):
            left = {**query, name: [*texts[:index], *texts[index + 1 :]]}
            chips.append(
                FilterChip(
                    name=LABELS.get(name, name),
                    text=text,
                    url=make_link(kind.path, _without(left, "before")),
                )
            )
    return chips


def _without(query: Mapping[str, Sequence[str]], name: str) -> dict[str, Sequence[str]]:
    return {other: texts for other, texts in query.items() if other != name}


def _describe(error: Any) -> str:
    hint = f"; did you mean {error.near}?" if error.near else ""
    is_said = "did you mean" in error.detail
    return as_sentence(f"{error.parameter}: {error.detail}{'' if is_said else hint}")
