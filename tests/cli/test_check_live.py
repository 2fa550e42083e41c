"""check --live: routes against the inputs that their flows have on the platform, and flows.lock."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from fake_platform import FakePlatform

from bridge.core.circuit_state import Circuit
from bridge.delivery.platforms.model import InputNode, Listing
from bridge.store.db.database import Database
from bridge.store.queue.throttling import write_circuits

HEAD = """version: 1
platforms:
  gumloop: {{type: gumloop, api_key: fake-key, user_id: fake-user, base_url: "{url}", timeout: 5s}}
  hook: {{type: http, url: "https://example.com/x"}}
sources: {{github: {{provider: github, secret: "${{env:GH}}"}}}}
routes:
"""
GOOD = '  - {name: a, on: github, inputs: {title: "${body.t}", labels: "${body.l}"}, flow: gumloop/echo}\n'


@pytest.fixture
def platform(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePlatform]:
    monkeypatch.setenv("GH", "s" * 40)
    with FakePlatform() as one:
        yield one


def write(platform: FakePlatform, routes: str) -> None:
    text = HEAD.format(url=platform.base_url)
    Path("routes.yaml").write_text(text + routes)


def check(*options: str) -> tuple[int, list[tuple[str, str, str]], dict[str, Any]]:
    """Return the exit code, (level, path, message) of each problem, and the whole answer."""
    result = run("check", "--live", "--json", *options)
    found = json.loads(result.stdout)
    assert found["valid"] is (result.exit_code == 0)
    return (
        result.exit_code,
        [(one["level"], one["path"], one["message"]) for one in found["problems"]],
        found,
    )


def test_routes_that_fit_have_no_problem(platform: FakePlatform) -> None:
    write(platform, GOOD)
    assert check()[:2] == (0, [])
    shown = run("check", "--live")
    assert shown.exit_code == 0 and "routes.yaml is valid" in shown.stdout


#: inputs of a route -> the paths and messages of its warnings
MISFITS: dict[str, list[tuple[str, str]]] = {
    '{titel: "${body.t}", labels: x}': [
        ("routes.0.inputs.titel", "has no input `titel`; did you mean `title`? it has: title"),
    ],
    "{title: {a: 1}, labels: x}": [
        ("routes.0.inputs.title", "is a string; the route gives an object"),
    ],
    "{title: x, labels: [1]}": [("routes.0.inputs.labels", "is a string; the route gives a list")],
    "{title: x}": [],  # the platform does not say whether `labels` has a default
}


@pytest.mark.parametrize("inputs", MISFITS)
def test_inputs_that_do_not_fit_are_warnings(platform: FakePlatform, inputs: str) -> None:
    write(platform, f"  - {{name: a, on: github, inputs: {inputs}, flow: gumloop/echo}}\n")
    code, problems, _ = check()
    assert code == 0 and len(problems) == len(MISFITS[inputs])
    for (level, path, message), (where, said) in zip(problems, MISFITS[inputs], strict=True):
        assert (level, path) == ("warning", where) and said in message


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("text", "gives text, and not a file"),
        ("{a: 1}", "gives an object"),
        ("'${files[0]}'", None),
        ("'${body.file}'", None),
    ],
)
def test_a_file_needs_a_file(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, value: str, said: str | None
) -> None:
    from bridge.services.config_checks import live_flows

    nodes = (InputNode(name="doc", type="file"), InputNode(name="to", required=True))
    monkeypatch.setattr(live_flows, "ask_for_inputs", lambda *_: Listing(items=nodes))
    write(platform, f"  - {{name: a, on: github, inputs: {{doc: {value}}}, flow: gumloop/echo}}\n")
    messages = [message for *_, message in check()[1]]
    assert messages[0].endswith("the flow `gumloop/echo`, which it requires")
    assert len(messages) == (1 if said is None else 2) and (said or "") in messages[-1]


#: a lone expression -> what the warning says of its value, None for no warning
VALUES = {
    "${body.issue.labels}": "is a list in the sample of GitHub issues: ${json(…)} makes it text",
    "${body.issue.user}": "is an object in the sample of GitHub issues",
    "${body.issue.labels[].name}": "is a list in the sample of GitHub issues",
    "${body.issue.title}": None,
    "${body.issue.number}": None,
    "${join(', ', body.issue.labels[].name)}": None,
    "${json(body.issue.labels)}": None,
    "${body.unknown}": None,
    "${body.tags}": "`body.tags` is a list by payload_schema",
    "${body.tags[0].name}": "is an object by payload_schema",
    "${body.either}": None,
    "a ${body.issue.labels}": None,
}


def test_the_type_of_a_lone_expression_is_checked_where_it_is_known(
    platform: FakePlatform,
) -> None:
    routes = ""
    schema = (
        "{type: object, properties: {either: {type: [array, string]}, tags: {type: array, items:"
        " {properties: {name: {type: object}}}}}}"
    )
    for number, value in enumerate(VALUES):
        text = json.dumps(value)
        routes += (
            f"  - {{name: r{number}, on: github issues, payload_schema: {schema},"
            f" inputs: {{title: {text}, labels: x}}, flow: gumloop/echo}}\n"
        )
    write(platform, routes)
    code, problems, _ = check()
    found = {
        path: message
        for _, path, message in problems
        if path.endswith(".inputs.title") and "is a string; " in message
    }
    wanted = {
        f"routes.{number}.inputs.title": said
        for number, said in enumerate(VALUES.values())
        if said is not None
    }
    assert code == 0 and found.keys() == wanted.keys()
    for path, said in wanted.items():
        assert said in found[path]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("body.issue.title", "is text in the sample of GitHub issues, and not a file"),
        ("body.issue.user", "is an object in the sample of GitHub issues"),
        ("files", None),
    ],
)
def test_text_of_a_sample_is_no_file(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, value: str, said: str | None
) -> None:
    from bridge.services.config_checks import live_flows

    nodes = (InputNode(name="doc", type="file"),)
    monkeypatch.setattr(live_flows, "ask_for_inputs", lambda *_: Listing(items=nodes))
    given = f'inputs: {{doc: "${{{value}}}"}}'
    write(platform, f"  - {{name: a, on: github issues, {given}, flow: gumloop/echo}}\n")
    messages = [message for *_, message in check()[1]]
    assert messages == [] if said is None else said in messages[0]


@pytest.mark.parametrize(("seconds", "is_asked"), [(600.0, False), (-1.0, True)])
def test_a_platform_whose_circuit_is_open_is_not_asked(
    platform: FakePlatform, store: Database, seconds: float, is_asked: bool
) -> None:
    write(platform, GOOD)
    opened = Circuit(platform="gumloop", failures=5, open_until=time.time() + seconds, reason="503")
    store.write(lambda one: write_circuits(one, {}, {"gumloop": opened}, time.time()))
    code, problems, _ = check()
    if is_asked:
        assert (code, problems) == (0, [])
        return
    assert code == 1
    assert problems[0][2].startswith(
        "gumloop/echo: gumloop is not asked: its circuit is open until 20"
    )
    shown = run("check", "--live").stdout
    assert "not asked: gumloop/echo: " in shown and "1 flow not asked" in shown


def test_a_flow_may_take_inputs_that_it_does_not_list(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge.services.config_checks import live_flows

    nodes = (InputNode(name="title"),)
    listing = Listing(items=nodes, takes_any=True)
    monkeypatch.setattr(live_flows, "ask_for_inputs", lambda *_: listing)
    for inputs, count in (("title: x, other: y", 0), ("titel: x", 1)):
        write(platform, f"  - {{name: a, on: github, inputs: {{{inputs}}}, flow: gumloop/echo}}\n")
        assert len(check()[1]) == count


def test_the_types_of_a_local_flow_are_its_annotations(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list for a parameter without an annotation, or with that of a list, is right."""
    from bridge.services.config_checks import live_flows

    nodes = (
        InputNode(name="any", type="string", annotation=""),
        InputNode(name="labels", type="string", annotation="list[str]"),
        InputNode(name="text", type="string", annotation="str", required=True),
    )
    monkeypatch.setattr(live_flows, "ask_for_inputs", lambda *_: Listing(items=nodes))
    inputs = "{any: [1], labels: [1], text: [1]}"
    write(platform, f"  - {{name: a, on: github, inputs: {inputs}, flow: gumloop/echo}}\n")
    (problem,) = check()[1]
    assert problem[1] == "routes.0.inputs.text"
    assert problem[2].endswith("is a string; the route gives a list: ${json(…)} makes it text")


def test_a_missing_flow_is_an_error_with_a_near_name(platform: FakePlatform) -> None:
    write(platform, GOOD.replace("gumloop/echo", "gumloop/ecko"))
    code, problems, _ = check()
    assert code == 1 and len(problems) == 1
    level, path, message = problems[0]
    assert (level, path) == ("error", "routes.0.flow")
    assert "has no flow 'ecko'; did you mean `echo`?" in message


def test_a_route_with_several_flows_may_have_inputs_of_each(platform: FakePlatform) -> None:
    platform.flows["other"] = ["n"]
    write(
        platform,
        "  - {name: a, on: github, inputs: {title: x, labels: x, n: x},"
        " flow: [gumloop/echo, gumloop/other]}\n",
    )
    assert check()[:2] == (0, [])
    platform.flows["other"] = ["m"]
    found = check()[1]
    assert [path for _, path, _ in found] == ["routes.0.inputs.n"] * 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api/v1", None])
def test_without_an_answer_it_is_never_valid(platform: FakePlatform, url: str | None) -> None:
    write(platform, GOOD + GOOD.replace("name: a", "name: b").replace("/echo", "/other"))
    if url is None:
        platform.api_key = "another"
    else:
        file = Path("routes.yaml")
        file.write_text(file.read_text().replace(platform.base_url, url))
    code, problems, _ = check()
    assert code == 1
    asked = [message.partition(":")[0] for level, _, message in problems if level == "error"]
    assert asked == ["gumloop/echo", "gumloop/other"]
    shown = run("check", "--live")
    assert shown.exit_code == 1 and "is valid" not in shown.stdout
    assert "could not be compared with every flow: 2 flows not asked" in shown.stdout


def test_a_platform_without_a_list_is_a_note(platform: FakePlatform) -> None:
    write(platform, GOOD.replace("gumloop/echo", "hook/x"))
    code, problems, found = check()
    assert (code, problems) == (0, [])
    assert any("of type http has no list of inputs" in note for note in found["notes"])


def test_a_missing_key_of_the_platform_is_said(platform: FakePlatform) -> None:
    write(platform, GOOD)
    file = Path("routes.yaml")
    file.write_text(file.read_text().replace("fake-key", '"${env:NOT_SET_HERE}"'))
    code, problems, _ = check()
    assert code == 2
    assert any(
        message.startswith("gumloop/echo: gumloop cannot be called") for *_, message in problems
    )


def test_at_most_two_calls_at_once(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.services.config_checks import live_flows

    routes = ""
    for number in range(6):
        platform.flows[f"f{number}"] = ["title", "labels"]
        routes += GOOD.replace("name: a", f"name: r{number}").replace("/echo", f"/f{number}")
    write(platform, routes)
    lock = threading.Lock()
    both = threading.Barrier(2, timeout=20)
    now = 0
    most = 0
    whole = live_flows.ask_for_inputs

    def ask(*arguments: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        both.wait()
        found = whole(*arguments)
        with lock:
            now -= 1
        return found

    monkeypatch.setattr(live_flows, "ask_for_inputs", ask)
    assert check()[0] == 0 and most == 2


# -- flows.lock


def test_a_lock_shows_what_changed_later(platform: FakePlatform, folder: Path) -> None:
    write(platform, GOOD)
    code, _, found = check("--lock")
    assert code == 0 and any(note.startswith("wrote ") for note in found["notes"])
    assert json.loads((folder / "flows.lock").read_text()) == {
        "version": 1,
        "flows": {"gumloop/echo": {"labels": "string", "title": "string"}},
    }
    assert check()[:2] == (0, [])
    platform.flows["echo"] = ["title", "labels", "more"]
    messages = [message for _, _, message in check()[1]]
    assert (
        "the inputs of the flow `gumloop/echo` changed since flows.lock: `more` is new" in messages
    )
    check("--lock")
    assert not any("changed since" in message for _, _, message in check()[1])


def test_no_lock_is_written_without_every_answer(platform: FakePlatform, folder: Path) -> None:
    write(platform, GOOD.replace("gumloop/echo", "gumloop/ecko"))
    code, problems, _ = check("--lock")
    assert code == 1 and any("flows.lock was not written" in message for *_, message in problems)
    assert not (folder / "flows.lock").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2, "flows": {}}', "[" * 100_000])
def test_a_broken_lock_is_an_error(platform: FakePlatform, folder: Path, text: str) -> None:
    write(platform, GOOD)
    (folder / "flows.lock").write_text(text)
    code, problems, _ = check()
    assert code == 1 and "flows.lock is not valid" in problems[0][2]


def test_lock_needs_live(folder: Path) -> None:
    result = run("check", "--lock")
    assert result.exit_code == 2 and "--lock needs --live" in result.stderr


def test_without_live_nothing_is_asked(platform: FakePlatform) -> None:
    write(platform, GOOD.replace("gumloop/echo", "gumloop/ecko"))
    assert run("check").exit_code == 0
