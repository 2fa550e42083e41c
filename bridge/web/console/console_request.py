"""One request to the console, and the page that answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from werkzeug.wrappers import Request

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.parameters import Parameter, read_parameters
from bridge.api.problems import report_missing_scope
from bridge.core.scopes import Scope
from bridge.web.admin.context import ReaderContext
from bridge.web.client_ip import client_address
from bridge.web.console.failures import refuse
from bridge.web.console.session import ConsoleSession

#: Of an id of a platform, such as that of a flow or a run.
MAX_ID_CHARS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A page to render: a template with its values. `title` is that of the page and its heading.

    `is_part`: it is a part of a page, without the frame. `etag`: of a part, by default a digest.
    """

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    is_part: bool = False
    etag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleRequest:
    """One request of a session that may open the page. `ids`: the variable parts of its path."""

    context: ReaderContext
    session: ConsoleSession
    http: Request
    ids: Mapping[str, str]

    @property
    def may_read_contents(self) -> bool:
        """Whether the session may see contents of payloads."""
        return self.may(Scope.BODIES)

    @property
    def wants_part(self) -> bool:
        """Whether only the part of the page is wanted that changes by itself."""
        return wants_part(self.http)

    @property
    def given(self) -> dict[str, list[str]]:
        """The query parameters that are not empty: a form sends also those not filled in."""
        lists = self.http.args.to_dict(flat=False).items()
        filled = {name: [text for text in texts if text.strip()] for name, texts in lists}
        return {name: texts for name, texts in filled.items() if texts}

    def read_id(self, name: str, max_chars: int = MAX_ID_CHARS) -> str | None:
        """Return an id or a hash from the query, null without one. Raises `PageRefused`."""
        text = next(iter(self.given.get(name, ())), None)
        return None if text is None else check_id(name, text, max_chars)

    def may(self, scope: Scope) -> bool:
        """Return whether the session has a scope."""
        return scope in self.session.scopes

    def read(
        self,
        answer: Callable[[ApiContext, ApiRequest], Answer],
        parameters: Sequence[Parameter] = (),
        query: Mapping[str, Sequence[str]] | None = None,
    ) -> Mapping[str, Any]:
        """Return the JSON that a function of the admin API answers; see `ask`."""
        reply = answer(self.context, self.ask(parameters, query))
        if not isinstance(reply, Mapping):
            raise TypeError(f"{answer.__name__} answers no JSON")
        return reply

    def ask(
        self, parameters: Sequence[Parameter] = (), query: Mapping[str, Sequence[str]] | None = None
    ) -> ApiRequest:
        """Return the same request to the admin API, for the functions that answer it.

        `parameters`: those that the page takes from its URL (or from `query`). Raises
        `ApiProblem` with every one that is unknown, not valid, or needs the scope `bodies`.
        """
        texts = {} if not parameters else self.given if query is None else query
        for parameter in parameters:
            if parameter.reads_contents and parameter.name in texts and not self.may_read_contents:
                raise report_missing_scope(f"`{parameter.name}`", Scope.BODIES, self.session.scopes)
        return ApiRequest(
            token=self.session.name,
            token_id=self.session.key,
            actor=f"{self.session.name}@console",
            scopes=self.session.scopes,
            values=read_parameters(texts, parameters),
            texts=texts,
            ids=self.ids,
            client=client_address(self.http.environ, self.context.settings),
        )


def wants_part(request: Request) -> bool:
    """Return whether the script asks for a part of a page again."""
    return request.headers.get("HX-Request") == "true"


def check_id(name: str, text: str, max_chars: int = MAX_ID_CHARS) -> str:
    """Return an id that a person or a page gave. Raises `PageRefused` if it is none."""
    if not 0 < len(text) <= max_chars or "\0" in text:
        raise refuse(400, f"`{name}` has 1 to {max_chars} characters, and no null character.")
    return text
