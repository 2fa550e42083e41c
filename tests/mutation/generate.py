"""Generate mutants of a source file with cosmic-ray's operators, and choose a sample of them that
does not change by chance.

The id of a mutant is a digest of its file, its function, its operator and the text of its line. A
sample is the mutants with the lowest digests, so an edit elsewhere in a file changes neither the
ids nor which of the other mutants are chosen.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import operators
import parso
import targets
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code

# decorators that say how a class is made, not what it does
DATACLASS = ("dataclass", "define", "final", "overload")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file. `first` and `last`: the lines that change; `old` and `new`: their
    text, for people.
    """

    id: str
    file: str
    function: str
    operator: str
    first: int
    last: int
    old: str
    new: str
    code: str

    @property
    def title(self) -> str:
        """Return the change on one line."""
        return f"{self.file}:{self.first} {self.function}: `{self.old}` -> `{self.new}`"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an operator can change something: its `occurrence`-th place in the file."""

    rank: str
    operator: str
    occurrence: int
    function: str
    start: tuple[int, int]
    stop: tuple[int, int]


def sample(root: Path, files: Sequence[str], *, seed: int, size: int) -> list[Mutant]:
    """Return the mutants of these files with the lowest digests, at most one for each place in the
    code.
    """
    ranked = sorted(
        (place.rank, file, place)
        for file in files
        for place in _places(file, (root / file).read_text(), seed)
    )
    chosen: list[Mutant] = []
    codes: set[str] = set()
    texts = {file: (root / file).read_text() for file in files}
    for _, file, place in ranked:
        mutant = _mutant(file, texts[file], place)
        if mutant is not None and mutant.code not in codes:
            codes.add(mutant.code)
            chosen.append(mutant)
        if len(chosen) == size:
            break
    return chosen


def _mutant(file: str, text: str, place: _Place) -> Mutant | None:
    code = mutate_code(text, operators.OPERATORS[place.operator](), place.occurrence)
    if code is None or code == text:
        return None
    try:
        ast.parse(code)
    except SyntaxError:
        return None
    return mutant_of(
        file, text, code, name=place.rank[:10], function=place.function, operator=place.operator
    )


def mutant_of(
    file: str, text: str, code: str, *, name: str, function: str, operator: str
) -> Mutant:
    """Return the mutant that makes `code` of the `text` of a file."""
    before = text.splitlines()
    after = code.splitlines()
    changes = [
        each
        for each in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
        if each[0] != "equal"
    ]
    _, first, _, since, _ = changes[0]
    _, _, last, _, until = changes[-1]
    old, new = (
        " ".join(" ".join(lines).split()) for lines in (before[first:last], after[since:until])
    )
    return Mutant(name, file, function, operator, first + 1, max(last, first + 1), old, new, code)


def _places(file: str, text: str, seed: int) -> Iterator[_Place]:
    """Yield the places of a file, for each stretch of code the one whose digest is the lowest."""
    tree = ast.parse(text)
    noise = set(_noise(tree))
    functions = _functions(tree)
    lines = text.splitlines()
    nodes = list(ast_nodes(parso.parse(text)))
    same: Counter[tuple[str, ...]] = Counter()
    best: dict[tuple[tuple[int, int], tuple[int, int]], _Place] = {}
    for name, operator in operators.OPERATORS.items():
        occurrence = -1
        for node in nodes:
            for start, stop in operator().mutation_positions(node):
                occurrence += 1
                if operators.says_nothing(name, node) or any(
                    since <= start < until for since, until in noise
                ):
                    continue
                function = _function_at(functions, start[0])
                key = (
                    str(seed),
                    targets.NUMBERED_AS.get(file, file),
                    function,
                    name,
                    " ".join(lines[start[0] - 1].split()),
                )
                same[key] += 1
                rank = hashlib.sha256("\0".join((*key, str(same[key]))).encode()).hexdigest()
                place = _Place(rank, name, occurrence, function, start, stop)
                if (start, stop) not in best or rank < best[start, stop].rank:
                    best[start, stop] = place
    yield from best.values()


Span = tuple[tuple[int, int], tuple[int, int]]


def _span(node: ast.AST) -> Span:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]


def _noise(tree: ast.Module) -> Iterator[Span]:
    """Yield what no test is to notice: annotations, types, how a dataclass is made, docstrings, log
    lines.
    """
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                arguments = (
                    *node.args.posonlyargs,
                    *node.args.args,
                    *node.args.kwonlyargs,
                    node.args.vararg,
                    node.args.kwarg,
                )
                yield from (
                    _span(one.annotation)
                    for one in arguments
                    if one is not None and one.annotation is not None
                )
                yield from [_span(node.returns)] if node.returns is not None else []
            case ast.AnnAssign():
                yield _span(node.annotation)
            case ast.ClassDef() if any(
                isinstance(base, ast.Subscript | ast.Name) and "Protocol" in ast.dump(base)
                for base in node.bases
            ):
                yield _span(node)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield _span(node)
            case ast.Call() if _called(node) in {"TypeVar", "cast", "NewType"} or _called(
                node
            ).startswith("log."):
                yield _span(node)
            case ast.Assign(targets=[ast.Name(id=name)]) if name in {
                "__all__",
                "__slots__",
            } or _is_type_alias(name, node.value):
                yield _span(node)
            case ast.Expr(value=ast.Constant(value=str())):
                yield _span(node)
        for decorator in getattr(node, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and _called(decorator) in DATACLASS:
                yield _span(decorator)


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func)


def _is_type_alias(name: str, value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Subscript | ast.BinOp)
        and name.lstrip("_")[:1].isupper()
        and not name.isupper()
    )


def _functions(tree: ast.Module) -> list[tuple[int, int, str]]:
    """Return the first line, the last line and the name of each function and class, those that hold
    others first.
    """

    def visit(node: ast.AST, outer: str) -> Iterator[tuple[int, int, str]]:
        for child in ast.iter_child_nodes(node):
            name = outer
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{outer}.{child.name}".lstrip(".")
                yield child.lineno, child.end_lineno or child.lineno, name
            yield from visit(child, name)

    return list(visit(tree, ""))


def _function_at(functions: Sequence[tuple[int, int, str]], line: int) -> str:
    return next(
        (name for first, last, name in reversed(functions) if first <= line <= last), "module"
    )
