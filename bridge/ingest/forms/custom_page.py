"""Custom thank-you page: a sandboxed Jinja template, safe for untrusted values. Pure.

https://jinja.palletsprojects.com/en/stable/sandbox/ : no attribute that begins with an underscore,
no method that changes a value; and nothing that would let a value through as HTML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from jinja2 import ChainableUndefined, Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bridge.core.errors import CompileError
from bridge.core.model import JSON

MAX_PAGE_CHARS = 256 * 1024  # characters of a page
#: What a template is given; the same names with nothing in them show at load whether it can be
#: rendered.
PAGE_VARIABLES: Mapping[str, str] = {
    "form": "the fields, by name",
    "title": "the title of our own page, in the language of the browser",
    "text": "its text",
    "language": "that language, as `en`",
    "source": "the source's name",
    "event_id": "the event's id",
}


_UNSAFE = ("safe", "xmlattr", "tojson", "urlize")  # filters whose results are HTML
_REFUSED: Mapping[tuple[type[nodes.Node], ...], str] = {
    (
        nodes.EvalContextModifier,
    ): "`autoescape` cannot be changed: what a stranger wrote would be HTML",
    (
        nodes.Include,
        nodes.Import,
        nodes.FromImport,
        nodes.Extends,
    ): "a page is one file: it cannot include, import or extend another",
}


class _Sandbox(ImmutableSandboxedEnvironment):
    """Says what is unsafe instead of taking it for nothing."""

    def unsafe_undefined(self, _obj: object, attribute: str) -> NoReturn:
        raise SecurityError(f"access to `{attribute}` is unsafe")


@dataclass(frozen=True, slots=True)
class CustomPage:
    """A compiled template; `name` is its file."""

    name: str
    template: Template = field(repr=False, compare=False)

    def render(self, values: Mapping[str, JSON]) -> str:
        """Return the page; `CompileError` where this submission makes it fail, or makes it too
        long.
        """
        try:
            pieces = []
            size = 0
            for piece in self.template.generate(**values):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_PAGE_CHARS:
                    raise CompileError(
                        f"{self.name}: makes a page of more than {MAX_PAGE_CHARS} characters"
                    )
            return "".join(pieces)
        except (
            TemplateError,
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:
            raise CompileError(f"{self.name}: {type(error).__name__}: {error}") from None


def compile_page(text: str, name: str) -> CustomPage:
    """Return the template `text` of the file `name`; `CompileError` says in which line it is
    wrong.
    """
    environment = _Sandbox(autoescape=True, undefined=ChainableUndefined)
    for unsafe in _UNSAFE:
        environment.filters.pop(unsafe, None)
    try:
        tree = environment.parse(text)
        for kinds, why in _REFUSED.items():
            if found := next(tree.find_all(kinds), None):
                raise CompileError(f"{name}:{found.lineno}: {why}")
        page = CustomPage(name, environment.from_string(text))
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise CompileError(
            f"{name}:{line or 1}: {getattr(error, 'message', None) or error}"
        ) from None
    page.render({**dict.fromkeys(PAGE_VARIABLES, ""), "form": {}})
    return page
