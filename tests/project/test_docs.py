"""README and docs: what follows from the code is what the code says, all is documented, links
resolve, examples load, commands parse.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import click
import pytest
from folders import ROOT
from ruamel.yaml import YAML

import bridge
from bridge.cli.command_list import COMMANDS
from bridge.cli.main import group
from bridge.config.loader import check
from bridge.config.schema import document
from bridge.config.settings import VARIABLES
from bridge.providers.registry import PROVIDERS
from bridge.routing.functions.registry import FUNCTIONS
from bridge.routing.matching.operators import OPERATORS

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\(([^)\s]+)\)|(?:<img src|srcset)="([^"]+)"')
LANGUAGES = {"sh", "yaml", "json", "python", "text", "ini", "html", "javascript"}


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    """(page:line, text) of each fenced block in one of these languages."""
    for page in PAGES:
        text = page.read_text("utf-8")
        for found in BLOCK.finditer(text):
            if found[2] in languages:
                indent = len(found[1])
                lines = [line[indent:] for line in found[3].splitlines(keepends=True)]
                yield f"{page.name}:{text.count(chr(10), 0, found.start()) + 1}", "".join(lines)


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_generated_is_up_to_date(generate: ModuleType) -> None:
    parts = []
    for page in DOCS.glob("*.md"):
        text = page.read_text("utf-8")
        parts += [found[2] for found in generate.MARKED.finditer(text)]
        assert (
            text.count("<!-- generated: ")
            == text.count("<!-- end -->")
            == len(generate.MARKED.findall(text))
        ), page
        assert generate.generated(text) == text, (
            f"docs/{page.name} is not what the code says: python docs/generate.py"
        )
    assert sorted(parts) == sorted(
        [*generate.PARTS, *(f"keys {model}" for model in generate.MODELS)]
    )


def test_every_model_of_the_configuration_is_shown(generate: ModuleType) -> None:
    written = {one.__name__.removesuffix("Schema") for one in list_models(document.StrictModel)}
    missing = written - set(generate.MODELS)
    assert not missing, f"add {missing} to MODELS of docs/generate.py, and keys to docs/routes.md"
    assert written == set(generate.MODELS)


def list_models(base: type) -> Iterator[type]:
    """Yield each public model of the configuration that derives from a base."""
    for one in base.__subclasses__():
        if one.__module__.startswith("bridge.config.schema.") and not one.__name__.startswith("_"):
            yield one
        yield from list_models(one)


def test_every_command_provider_function_and_operator_has_its_place() -> None:
    commands = (DOCS / "commands.md").read_text("utf-8")
    providers = (DOCS / "providers.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"### flowbridge {name}\n" not in commands] == []
    assert [name for name in PROVIDERS if f"## {name}\n" not in providers] == []
    assert [
        name for name in FUNCTIONS if f"`{name}(" not in (DOCS / "functions.md").read_text("utf-8")
    ] == []
    assert [
        name for name in OPERATORS if f"| `{name}` |" not in (DOCS / "routes.md").read_text("utf-8")
    ] == []


def test_every_setting_is_documented_and_no_other() -> None:
    code = "".join(path.read_text("utf-8") for path in Path(bridge.__file__).parent.rglob("*.py"))
    told = {
        name
        for page in PAGES
        for name in re.findall(r"FLOWBRIDGE_[A-Z_]+", page.read_text("utf-8"))
    }
    rows = set(
        re.findall(
            r"^\| `(FLOWBRIDGE_[A-Z_]+)`", (DOCS / "settings.md").read_text("utf-8"), re.MULTILINE
        )
    )
    assert set(re.findall(r"FLOWBRIDGE_[A-Z_]*[A-Z]", code)) <= rows
    assert told <= rows == VARIABLES


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """The anchors of a page; what stands in a block is no heading."""
    return {
        slug(heading)
        for heading in re.findall(
            r"^#+ (.+)$", BLOCK.sub("", page.read_text("utf-8")), re.MULTILINE
        )
    }


def test_links_resolve() -> None:
    for page in PAGES:
        for target in (found[1] or found[2] for found in LINK.finditer(page.read_text("utf-8"))):
            if "://" in target:
                continue
            name, _, anchor = target.partition("#")
            linked = (page.parent / name).resolve() if name else page
            assert linked.is_file() and linked.is_relative_to(ROOT), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(linked), (
                f"{page.name}: {target} has no such heading"
            )


def test_every_page_is_linked() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    index = (DOCS / "index.md").read_text("utf-8")
    assert "docs/index.md)" in readme and "CHANGELOG.md)" in readme
    pages = [page.name for page in DOCS.glob("*.md") if page.name != "index.md"]
    assert [name for name in pages if f"({name})" not in index] == []


def test_every_module_has_its_place_in_the_architecture() -> None:
    page = (DOCS / "architecture.md").read_text("utf-8")
    table = page[page.index("| package | does |") : page.index("The first five packages")]
    named = {
        name.partition("/")[0].removesuffix(".py")
        for name in re.findall(r"^\| `([a-z_]+(?:\.py|/))`", table, re.MULTILINE)
    }
    there = {
        path.stem
        for path in Path(bridge.__file__).parent.iterdir()
        if not path.name.startswith("_") and path.suffix in ("", ".py")
    }
    assert named == there


def test_the_modules_that_the_architecture_names_exist() -> None:
    page = (DOCS / "architecture.md").read_text("utf-8")
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", page)
    assert len(named) > 20
    assert [
        name for name in named if not any((ROOT / base / name).is_file() for base in ("", "bridge"))
    ] == []


def test_every_block_says_its_language() -> None:
    for page in PAGES:
        languages = {found[2] for found in BLOCK.finditer(page.read_text("utf-8"))}
        assert languages <= LANGUAGES, f"{page.name}: {languages - LANGUAGES}"


class Placeholders(Mapping[str, str]):
    """An environment that has every variable: a secret that its provider can use."""

    whsec = "whsec_" + "c2VjcmV0" * 4
    special: ClassVar = {
        "STRIPE": whsec,
        "SVIX": whsec,
        "BILLING": whsec,
        "BASIC": "flowbridge:long-enough-secret",
    }

    def __getitem__(self, name: str) -> str:
        return next(
            (value for part, value in self.special.items() if part in name), "0123456789abcdef" * 4
        )

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("place", "text"), [pytest.param(*each, id=each[0]) for each in blocks("yaml")]
)
def test_configurations_load(place: str, text: str, tmp_path: Path) -> None:
    """Each is a whole routes.yaml, or lacks only the version and the local platform, as those
    beside which it is to be put have them.
    """
    data = YAML(typ="safe").load(text)
    assert set(data) <= set(document.DocumentSchema.model_fields), f"{place} is no routes.yaml"
    if "version" not in data:
        text = f"version: 1\n{text}"
        if "local" in data.get("platforms", {}):
            pass
        elif "platforms" in data:
            text = re.sub(r"(?m)^platforms:\n( +)", r"platforms:\n\1local: {type: local}\n\1", text)
        else:
            text += "\nplatforms: {local: {type: local}}\n"
    (tmp_path / "routes.yaml").write_text(text, "utf-8")
    config, problems = check(tmp_path / "routes.yaml", Placeholders())
    # an import marks what is to be filled in
    unexpected = [str(one) for one in problems if not one.path.endswith(".placeholder")]
    assert config is not None and unexpected == [], place


def lines() -> Iterator[tuple[str, list[str]]]:
    """(page:line, words) of each `flowbridge …` in the blocks for a shell."""
    for place, text in blocks("sh"):
        for line in text.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            command: list[str] = []
            for word in [*lexer, ";"]:
                if set(word) <= set("&|;<>()"):
                    command = command[1:] if command[:1] == ["sudo"] else command
                    if command and command[0].rpartition("/")[2] == "flowbridge":
                        yield f"{place} {line}", command[1:]
                    command = []
                else:
                    command.append(word)


def test_commands_parse() -> None:
    found = list(lines())
    assert len(found) > 50
    for place, words in found:
        rest = words[2:] if words[:1] in (["--config"], ["--server"]) else words
        command: click.Command = group
        name = "flowbridge"
        while isinstance(command, click.Group) and not (
            command.invoke_without_command and (not rest or rest[0].startswith("-"))
        ):
            name = rest[0]
            inner = command.get_command(click.Context(command), rest[0])
            assert inner is not None, f"{place}: no command {name}"
            command = inner
            rest = rest[1:]
        try:
            command.make_context(name, rest)
        except click.ClickException as error:
            pytest.fail(f"{place}: {error.format_message()}")


def test_forms_are_sent_by_commands_that_are_answered_with_a_line() -> None:
    """A terminal is answered with a page of HTML otherwise."""
    commands = [
        (place, line)
        for place, text in blocks("sh")
        for line in text.splitlines()
        if re.search(r"curl .*/hooks/contact", line)
    ]
    assert commands
    assert [place for place, line in commands if "-H 'Accept: application/json'" not in line] == []


def test_the_two_commands_are_in_the_readme() -> None:
    texts = [text.strip() for place, text in blocks("sh") if place.startswith("README.md")]
    assert "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/flowbridge demo" in texts
    assert "python3 -m venv .venv && .venv/bin/pip install '.[test]' && .venv/bin/pytest" in texts


@pytest.mark.parametrize("name", ["delivery.svg", "flow.svg"])
def test_the_pictures_are_well_formed(name: str) -> None:
    from xml.etree import ElementTree

    svg = ElementTree.parse(DOCS / name).getroot()  # noqa: S314 - our own file
    assert svg.tag.endswith("svg") and svg.find("{http://www.w3.org/2000/svg}title") is not None


REASONS = (
    "the payload does not fit payload_schema",
    "the inputs do not fit inputs_schema",
    "the inputs use names that the platform reserves",
    "inputs must be an object",
    "gave up after ",
    "the worker died while the call was under way",
    "the run was not seen to end within",
    "the platform says that it has no such run",
    "planning failed by a fault of flowbridge's own",
    "the body is not JSON",
)


def test_events_names_the_reasons_as_the_code_writes_them() -> None:
    code = "".join(path.read_text("utf-8") for path in Path(bridge.__file__).parent.rglob("*.py"))
    page = (DOCS / "events.md").read_text("utf-8")
    assert [reason for reason in REASONS if reason not in page or reason not in code] == []
