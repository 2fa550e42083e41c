"""One bridge with everything that routes.yaml knows: each page, each GET and each reading command
of each of its records, and each command that a page offers.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import deque
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path

import pytest
from combination import Combination, serve_combination
from combination_names import Names, list_api_targets, list_commands, list_pages
from folders import ROOT
from used_keys import find_unused

#: The document that is used has its includes filled in, and there is at most one local platform.
NOT_IN_ONE_DOCUMENT = {"#.include", "#/$defs/LocalSchema.overflow=queue"}
MAX_PAGES = 700
LINK = re.compile(r'(?:href|action)="(/console/[^"#]*)')
COPIED = re.compile(r'data-copy="(flowbridge [^"]*)"')
#: Commands that wait for someone, or go on until they are interrupted.
WAITING = ("learn", "tail", "serve", "web", "work", "console --open")
#: Words that a person, or a shell, has to replace in a command.
PLACEHOLDERS = ("NAME", "PROVIDER", "FLOW", "&&")
#: What a command prints where it cannot be run at all. Others may refuse, or ask for `--yes`.
BROKEN = ("Traceback", "No such command", "No such option", "extra argument", "Missing argument")
ID = re.compile(r"\b(evt|dlv|rej|act|tok)_\w+")


@pytest.fixture(scope="module")
def combination(
    tmp_path_factory: pytest.TempPathFactory, new_processes: None
) -> Iterator[Combination]:
    with serve_combination(tmp_path_factory.mktemp("combination")) as served:
        yield served
        assert served.tracebacks() == []


@pytest.fixture(scope="module")
def names(combination: Combination) -> Names:
    return Names.read(combination)


def test_every_key_and_word_of_the_schema_is_used(combination: Combination) -> None:
    schema = json.loads((ROOT / "bridge/config/schema/routes.schema.json").read_text())
    document = json.loads(combination.config.canonical)["config"]
    assert {*find_unused(schema, document)} - NOT_IN_ONE_DOCUMENT == set()


def test_every_get_of_the_api_answers(combination: Combination, names: Names) -> None:
    api = combination.open_api()
    answers = {target: api.get(target) for target in list_api_targets(names)}
    assert len(answers) > 150
    wrong = {target: answer for target, answer in answers.items() if answer[0] != 200}
    assert wrong == {}


def test_every_page_opens_and_what_it_offers_runs(
    combination: Combination, names: Names, tmp_path: Path
) -> None:
    commands = open_pages(combination, list_pages(names))
    assert len(commands) > 20
    project = combination.copy_to(tmp_path / "project")
    (project / "new.yaml").write_text(combination.bridge.config.read_text())
    wrong = {}
    for command in commands:
        here = command.replace(
            combination.config_url, f"http://127.0.0.1:{combination.bridge.port}"
        )
        done = combination.call_in(project, *shlex.split(here)[1:])
        printed = done.stdout + done.stderr
        if done.returncode not in (0, 1, 2) or any(text in printed for text in BROKEN):
            wrong[command] = (done.returncode, printed[-600:])
    assert wrong == {}


def open_pages(combination: Combination, pages: Sequence[str]) -> list[str]:
    """Open pages and what they link to; return a command of each kind that they offer."""
    console = combination.open_console()
    waiting = deque(pages)
    opened: dict[str, int] = {}
    commands: dict[str, str] = {}
    while waiting and len(opened) < MAX_PAGES:
        target = waiting.popleft()
        if target in opened:
            continue
        status, kind, body = console.get(target)
        opened[target] = status
        if kind == "text/html":
            html = body.decode()
            waiting += [link for link in map(unescape, LINK.findall(html)) if is_new(link, opened)]
            for command in map(unescape, COPIED.findall(html)):
                commands.setdefault(ID.sub("", command), command)
    wrong = {target: status for target, status in opened.items() if status >= 400}
    # the operation that erased an event links to it
    assert [*wrong.values()] in ([], [404]) and all("/events/evt_" in target for target in wrong), (
        wrong
    )
    assert [path for path in pages if path not in opened] == []
    return [
        command
        for command in commands.values()
        if not command.removeprefix("flowbridge ").startswith(WAITING)
        and not any(word in shlex.split(command) for word in PLACEHOLDERS)
    ]


def is_new(link: str, opened: dict[str, int]) -> bool:
    """Return whether a page was not opened yet, and does not end the session."""
    return link not in opened and "/logout" not in link


def test_every_reading_command_runs(combination: Combination, names: Names, tmp_path: Path) -> None:
    project = combination.copy_to(tmp_path / "project")
    wrong = {}
    for arguments in list_commands(names):
        for form in ((), ("--json",)):
            done = combination.call_in(project, *arguments, *form)
            printed = done.stdout + done.stderr
            if done.returncode != 0 or "Traceback" in printed:
                wrong[(*arguments, *form)] = (done.returncode, printed[-600:])
    assert wrong == {}
