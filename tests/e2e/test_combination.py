"""One bridge with everything that routes.yaml knows: each page, each GET and each reading command
of each of its records, and each command that a page offers.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from combination import Combination, Reader, serve_combination, serve_copy
from combination_goldens import NDJSON, keep_settled, make_placeholders, name_endpoint, read_answer
from combination_names import API, Names, list_api_targets, list_commands, list_pages, list_streams
from folders import ROOT
from golden_files import check_golden, check_same
from golden_values import Placeholders
from page_text import collect_text
from used_keys import find_unused

#: Answers by name of their file, and by what was asked.
Goldens = dict[str, dict[str, Any]]

#: The document that is used has its includes filled in, and there is at most one local platform.
NOT_IN_ONE_DOCUMENT = {"#.include", "#/$defs/LocalSchema.overflow=queue"}
MAX_PAGES = 700
LINK = re.compile(r'(?:href|action)="(/console/[^"#]*)')
COPIED = re.compile(r'data-copy="(flowbridge [^"]*)"')
#: Commands that wait for someone, or go on until they are interrupted.
WAITING = ("learn", "tail", "serve", "web", "work", "console --open")
#: A word that a person has to replace in a command, as `NAME` in a usage line.
PLACEHOLDER = re.compile(r"[A-Z]{2,}")
#: Parts of errors of usage that are right: a person answers, or adds the route again as advised.
RIGHT_ERRORS = ("pass --yes", "routes.yaml has no route")
GOLDEN = Path(__file__).parent / "golden"
DOCUMENT = "/openapi.json"
#: Commands that work on this machine only.
NEAR = ("db check", "form", "providers")
#: Commands that tell what has been done since the copy of the project was made, and by whom.
SINCE = ("audit", "operations", "status", "token list")
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


@pytest.fixture(scope="module")
def answers(combination: Combination, names: Names) -> Goldens:
    """Answers of the admin API by endpoint, before anything else is read."""
    placeholders = make_placeholders(combination, names)
    api, limited = combination.open_api(), combination.open_api(combination.reader_token)
    gets = {**list_api_targets(names), DOCUMENT: [f"{API}{DOCUMENT}"]}
    whole = read_all(api, gets, placeholders)
    parts = read_all(limited, gets, placeholders)
    streams = read_all(api, list_streams(), placeholders, NDJSON)
    without_contents = {
        name: differing
        for name, golden in parts.items()
        if (differing := {key: golden[key] for key in golden if golden[key] != whole[name][key]})
    }
    return {
        **whole,
        **{f"{name}.stream": golden for name, golden in streams.items()},
        **{f"{name}.without-contents": golden for name, golden in without_contents.items()},
    }


def read_all(
    api: Reader,
    targets: Mapping[str, Sequence[str]],
    placeholders: Placeholders,
    accept: str = "*/*",
) -> Goldens:
    """Return the answers to GETs, by endpoint and target."""
    goldens: Goldens = {}
    for path, of_path in targets.items():
        name = name_endpoint(path)
        for target in of_path:
            status, kind, body = api.get(target, accept=accept)
            answer = read_answer(kind, body)
            kept = keep_settled(name, answer) if status == 200 else {"status": status, **answer}
            label = placeholders.replace_in_text(target)
            goldens.setdefault(name, {})[label] = placeholders.replace(kept)
    return goldens


def test_every_get_of_the_api_answers_as_before(answers: Goldens) -> None:
    wrong = [
        (target, answer)
        for name, of_path in answers.items()
        if not name.endswith(".without-contents")
        for target, answer in of_path.items()
        if isinstance(answer, dict) and isinstance(answer.get("status"), int)
    ]
    assert wrong == []
    check_golden(GOLDEN / "api", answers)


def test_every_page_opens_and_what_it_offers_runs(combination: Combination, tmp_path: Path) -> None:
    wrong = {}
    with serve_copy(combination, tmp_path / "project") as copy:
        commands = open_pages(copy, list_pages(Names.read(copy)))
        assert len(commands) > 20
        for edited in ("new.yaml", "routes.new.yaml"):
            (copy.folder / edited).write_text(copy.bridge.config.read_text())
        for command in commands:
            assert not [*filter(PLACEHOLDER.fullmatch, shlex.split(command))], command
            here = command.replace(copy.config_url, f"http://127.0.0.1:{copy.bridge.port}")
            done = copy.call_in(copy.folder, *shlex.split(here.split(" && ")[0])[1:])
            printed = done.stdout + done.stderr
            if done.returncode not in (0, 1, 2) or is_broken(printed):
                wrong[command] = (done.returncode, printed[-600:])
    assert wrong == {}


def is_broken(printed: str) -> bool:
    """Return whether a command that was offered failed, or was not used as it can be."""
    is_wrong_usage = "Usage: " in printed and not any(text in printed for text in RIGHT_ERRORS)
    return is_wrong_usage or "Traceback" in printed


def open_pages(combination: Combination, pages: Sequence[str]) -> list[str]:
    """Open pages and what they link to; return a command of each kind that they offer."""
    console = combination.open_console()
    waiting = deque(pages)
    opened: dict[str, int] = {}
    commands: dict[str, str] = {}
    unmarked: dict[str, str] = {}  # a page by its text with a backtick
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
            unmarked |= {text: target for text in collect_text(html) if "`" in text}
    assert unmarked == {}
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
    ]


def is_new(link: str, opened: dict[str, int]) -> bool:
    """Return whether a page was not opened yet, and does not end the session."""
    return link not in opened and "/logout" not in link


@pytest.mark.usefixtures("answers")
def test_every_reading_command_prints_as_before_here_and_far_away(
    combination: Combination, names: Names, tmp_path: Path
) -> None:
    project = combination.copy_to(tmp_path / "project")
    placeholders = make_placeholders(combination, names, {str(project): "<folder>"})
    near: Goldens = {}
    far: Goldens = {}

    def keep(
        goldens: Goldens, command: str, line: Sequence[str], done: CompletedProcess[str]
    ) -> None:
        name, label = command.replace(" ", "-"), placeholders.replace_in_text(" ".join(line))
        printed = [json.loads(row) for row in done.stdout.splitlines()]
        goldens.setdefault(name, {})[label] = placeholders.replace(keep_settled(name, printed))

    for command, of_command in list_commands(names).items():
        for arguments in of_command:
            line = (*command.split(), *arguments)
            check_done(combination.call_in(project, *line))
            keep(near, command, line, check_done(combination.call_in(project, *line, "--json")))
            if command not in (*NEAR, *SINCE) and line != ("show",):  # names another command there
                keep(far, command, line, check_done(combination.call_far(*line, "--json")))
    check_golden(GOLDEN / "commands", near)
    here = {name: {label: near[name][label] for label in of_name} for name, of_name in far.items()}
    check_same(here, far, "A command prints something else with FLOWBRIDGE_SERVER than here:")


def check_done(done: CompletedProcess[str]) -> CompletedProcess[str]:
    """Return a command that has ended well. `status` ends with 1 where there are problems."""
    expected = 1 if done.args[0] == "status" else 0
    printed = done.stdout + done.stderr
    if done.returncode != expected or "Traceback" in printed:
        pytest.fail(f"{done.args} ended with {done.returncode}: {printed[-600:]}", pytrace=False)
    return done
