"""Custom thank-you page: a sandboxed Jinja template, safe for untrusted values. Pure.

https://jinja.palletsprojects.com/en/stable/sandbox/ : it allows no attribute that begins with an
underscore and no method that changes a value. Here it also allows no value as unescaped HTML.
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

MAX_PAGE_CHARS = 256 * 1024
#: The variables of a template. At load it is rendered with empty ones, to find errors.
PAGE_VARIABLES: Mapping[str, str] = {
    "form": "the fields, by name",
    "title": "the title of the built-in page, in the visitor's language",
    "text": "the text of the built-in page",
    "language": "that language, as `en`",
    "source": "the source's name",
    "event_id": "the event's id",
}


_UNSAFE = ("safe", "xmlattr", "tojson", "urlize")  # filters whose results are HTML
_REFUSED: Mapping[tuple[type[nodes.Node], ...], str] = {
    (
        nodes.EvalContextModifier,
    ): "`autoescape` cannot be changed: untrusted text would become HTML",
    (
        nodes.Include,
        nodes.Import,
        nodes.FromImport,
        nodes.Extends,
    ): "a page is one file: it cannot include, import or extend another",
}


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja sandbox that raises on unsafe access instead of returning undefined."""

    def unsafe_undefined(self, _obj: object, attribute: str) -> NoReturn:
        raise SecurityError(f"access to `{attribute}` is unsafe")


@dataclass(frozen=True, slots=True)
class CustomPage:
    """A compiled template; `name` is its file."""

    name: str
    template: Template = field(repr=False, compare=False)

    def render(self, values: Mapping[str, JSON]) -> str:
        """Return the page. Raises `CompileError` if it fails with these values or is too long."""
        try:
            pieces = []
            size = 0
            for piece in self.template.generate(**values):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_PAGE_CHARS:
                    raise CompileError(
                        f"{self.name}: the page has more than {MAX_PAGE_CHARS} characters"
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
    """Compile the template `text` of the file `name`. Raises `CompileError` with the line."""
    environment = _Sandbox(autoescape=True, undefined=ChainableUndefined)
    for unsafe in _UNSAFE:
        environment.filters.pop(unsafe, None)
    try:
        tree = environment.parse(text)
        for kinds, why in _REFUSED.items():
            if node := next(tree.find_all(kinds), None):
                raise CompileError(f"{name}:{node.lineno}: {why}")
        page = CustomPage(name, environment.from_string(text))
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise CompileError(
            f"{name}:{line or 1}: {getattr(error, 'message', None) or error}"
        ) from None
    page.render({**dict.fromkeys(PAGE_VARIABLES, ""), "form": {}})
    return page
