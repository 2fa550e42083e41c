"""Templates: `${…}` in texts, mappings and lists, compiled at load. Pure.

A text that is one `${…}` and nothing else keeps the JSON type of its value; in any other text
values are written as text. `$${` is a literal `${`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bridge.core.errors import CompileError, ExpressionError
from bridge.core.model import JSON
from bridge.routing.expressions.compile import Expression, compile_expression
from bridge.routing.functions.signature import check_text_length
from bridge.routing.functions.text import to_text

Context = Mapping[str, JSON]
Fill = Callable[[Context], JSON]
Path = tuple[str | int, ...]
Problems = list[tuple[Path, str]]

RESERVED_INPUTS = frozenset(
    [
        "api_key",
        "saved_item_id",
        "user_id",
        "project_id",
        "openai_token",
        "action_id",
        "reuse_action",
        "trigger_id",
        "pipeline_inputs",
    ]
)
INTERPOLATION_NOT_ALLOWED = (
    "${env:…} and ${file:…} are filled in only under platforms and in secret, secrets, verify and a"
    " captcha's secret"
)

_SKIP = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|[^'"`{}]+|.""", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled value of routes.yaml: called with the roots, returns JSON.

    Raises ExpressionError if an expression fails.
    """

    document: JSON
    fill: Fill = field(repr=False, compare=False)
    expressions: tuple[Expression, ...] = ()

    def __call__(self, context: Context) -> JSON:
        """Return the document with every `${…}` replaced by its value."""
        return self.fill(context)


@dataclass(frozen=True, slots=True)
class Inputs:
    """A route's compiled `inputs`: a template for each input, or one (`whole`) for all."""

    each: Mapping[str, Template]
    whole: Template | None = None
    strict: bool = False

    @property
    def functions(self) -> frozenset[str]:
        """The names of the functions that the inputs call."""
        templates = [self.whole] if self.whole is not None else self.each.values()
        return frozenset().union(
            *(expression.functions for template in templates for expression in template.expressions)
        )

    def __call__(self, context: Context) -> JSON:
        """Return the inputs without null ones, which are an ExpressionError with `strict`."""
        if self.whole is not None:
            return self.whole(context)
        inputs = {}
        for name, template in self.each.items():
            try:
                value = template(context)
            except ExpressionError as error:
                raise ExpressionError(f"input `{name}`: {error}") from None
            if value is not None:
                inputs[name] = value
            elif self.strict:
                raise ExpressionError(f"input `{name}` is null, and the route is strict")
        return inputs


def compile_inputs(document: JSON, *, strict: bool = False) -> Inputs:
    """Compile `inputs`, a mapping or one `${…}`; CompileError has all problems and paths."""
    if isinstance(document, str):
        parts = parse_template(document)
        if len(parts) != 1 or isinstance(parts[0], str):
            raise CompileError(
                "`inputs` must be a mapping of names to values, or one ${…} that gives an object"
            )
        return Inputs({}, compile_template(document), strict)
    if not isinstance(document, Mapping):
        raise CompileError(
            "`inputs` must be a mapping of names to values, or one ${…} that gives an object"
        )
    problems: Problems = []
    templates = {}
    for name, value in document.items():
        if name.lower() in RESERVED_INPUTS:
            problems.append(
                (
                    (name,),
                    (
                        f"the platform reserves the name {name}; allowed: any but"
                        f" {', '.join(sorted(RESERVED_INPUTS))}"
                    ),
                )
            )
        elif value is None:
            problems.append(
                (
                    (name,),
                    (
                        "an input without a value; if its text begins with #, quote it, else leave"
                        " the input out"
                    ),
                )
            )
        else:
            templates[name] = _compile(value, (name,), problems)
    if problems:
        raise CompileError(problems)
    return Inputs(templates, None, strict)


def compile_template(document: JSON) -> Template:
    """Compile `document`, or raise CompileError with all problems and their paths."""
    problems: Problems = []
    template = _compile(document, (), problems)
    if problems:
        raise CompileError(problems)
    return template


def parse_template(text: str) -> list[str | Expression]:
    """Split `text` into its literal texts and compiled expressions, or raise CompileError."""
    parts: list[str | Expression] = []
    literal = ""
    position = 0
    while (start := text.find("${", position)) >= 0:
        if start > position and text[start - 1] == "$":
            literal += text[position : start - 1] + "${"
            position = start + 2
            continue
        literal += text[position:start]
        end = _end(text, start + 2)
        inner = text[start + 2 : end]
        if re.match(r"\s*(env|file):", inner):
            raise CompileError(f"{INTERPOLATION_NOT_ALLOWED}; found {text[start : end + 1]}")
        if literal:
            parts.append(literal)
        parts.append(compile_expression(inner))
        literal = ""
        position = end + 1
    literal += text[position:]
    return [*parts, literal] if literal or not parts else parts


def _end(text: str, start: int) -> int:
    """Return the position of the `}` that closes a `${` whose expression starts at `start`."""
    depth = 0
    for token in _SKIP.finditer(text, start):
        if token[0] == "}" and depth == 0:
            return token.start()
        depth += (token[0] == "{") - (token[0] == "}")
    raise CompileError(
        "a ${ without a closing }; a text that contains # or a quote needs quotes around it"
    )


def _compile(document: JSON, path: Path, problems: Problems) -> Template:
    if isinstance(document, str):
        return _compile_text(document, path, problems)
    if isinstance(document, Mapping):
        return _compile_mapping(document, path, problems)
    if isinstance(document, (list, tuple)):
        items = [_compile(item, (*path, index), problems) for index, item in enumerate(document)]
        expressions = tuple(expression for item in items for expression in item.expressions)
        if expressions:
            return Template(
                document, lambda context: [item.fill(context) for item in items], expressions
            )
    return Template(document, lambda _context: document)


def _compile_mapping(document: Mapping[str, JSON], path: Path, problems: Problems) -> Template:
    fields = {key: _compile(value, (*path, key), problems) for key, value in document.items()}
    expressions = tuple(
        expression for template in fields.values() for expression in template.expressions
    )
    if not expressions:
        return Template(document, lambda _context: document)
    return Template(
        document,
        lambda context: {key: template.fill(context) for key, template in fields.items()},
        expressions,
    )


def _compile_text(text: str, path: Path, problems: Problems) -> Template:
    try:
        parts = parse_template(text)
    except CompileError as error:
        problems.append((path, str(error)))
        return Template(text, lambda _context: text)
    expressions = tuple(part for part in parts if isinstance(part, Expression))
    if len(parts) == 1:
        only = parts[0]
        return (
            Template(text, only, expressions)
            if isinstance(only, Expression)
            else Template(text, lambda _context: only)
        )

    def fill(context: Context) -> str:
        return check_text_length(
            "".join([part if isinstance(part, str) else _written(part(context)) for part in parts])
        )

    return Template(text, fill, expressions)


def _written(value: JSON) -> str:
    return "" if value is None else to_text(value)
