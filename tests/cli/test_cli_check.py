"""check: flows.py may do anything, and the routes fit the flows that it has."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from command_line import lines, run

from bridge.cli.main import group
from bridge.flows.ready import mail, slack, smtp
from bridge.flows.ready.catalog import READY_FLOWS
from bridge.monitoring.presence import Presence
from bridge.services.config_checks.flow_inputs import REQUIRED_SETTINGS, SENDER_CHOICES

HEAD = (
    "version: 1\nplatforms: {local: {type: local, flows: flows.py}}\nsources: {contact: {provider:"
    " form}}\n"
)
FORM = HEAD.replace(", flows: flows.py", "")


@pytest.fixture(autouse=True)
def _set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ready-made flows need is set."""
    monkeypatch.setenv(smtp.URL_SETTING, "smtp://127.0.0.1:25")
    monkeypatch.setenv(mail.FROM_SETTING, "hooks@example.com")
    monkeypatch.setenv(slack.WEBHOOK_SETTING, "https://hooks.slack.com/services/T/B/x")


def problems(text: str, flows: str = "") -> list[dict[str, object]]:
    """What `check --json` says of a routes.yaml, and that it is in order but for warnings."""
    Path("routes.yaml").write_text(text)
    Path("flows.py").write_text(flows)
    (found,) = lines(run("check", "--json"))
    assert found["valid"] and all(one["level"] == "warning" for one in found["problems"])
    return found["problems"]


def messages(text: str, flows: str = "") -> list[object]:
    return [one["message"] for one in problems(text, flows)]


def test_a_limited_key_is_named_with_its_user(folder: Path) -> None:
    keys = ", ".join(
        f'{{name: {name}, hash: "sha256:{digit * 64}"{more}}}'
        for name, digit, more in (
            ("few", "a", ", flows: [echo]"),
            ("named", "b", ", flows: [echo], user_id: web"),
            ("all", "c", ""),
        )
    )
    (folder / "routes.yaml").write_text(
        f"version: 1\nplatforms: {{local: {{type: local, keys: [{keys}]}}}}\n"
    )
    (found,) = lines(run("check", "--json"))
    assert [note for note in found["notes"] if "keys" in note] == [
        "platforms.local.keys: the key few has `flows`, so its callers must send"
        " the user id key-few"
    ]


# -- flows.py


ENDINGS = {
    "import os\nos._exit(3)\n": "flows.py: the process ended with code 3 while it was loaded",
    "import os\nos._exit(0)\n": "flows.py: the process ended with code 0 while it was loaded",
    "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n": (
        "flows.py: the process died (SIGSEGV) while it was loaded"
    ),
    "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n": (
        "flows.py: the process died (SIGKILL) while it was loaded"
    ),
    "raise KeyboardInterrupt\n": "flows.py: KeyboardInterrupt",
    "\nraise SystemExit('no')\n": "flows.py:2: SystemExit: no",
}


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(("flows", "said"), ENDINGS.items(), ids=ENDINGS.values())
def test_a_flows_file_that_ends_its_process_is_an_error_and_not_the_end_of_check(
    folder: Path, flows: str, said: str
) -> None:
    (folder / "routes.yaml").write_text(HEAD)
    (folder / "flows.py").write_text(flows)
    result = run("check")
    assert result.exit_code == 1
    assert f"error: {said}\n" in result.stdout
    assert result.stdout.splitlines()[-1].startswith(
        "routes.yaml is valid, but 1 problem needs fixing"
    )


@pytest.mark.usefixtures("new_processes")
def test_what_a_flows_file_prints_and_leaves_running_is_not_in_the_answer(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "routes.yaml").write_text(HEAD)
    (folder / "flows.py").write_text(
        "import os, subprocess, sys, threading, time\n"
        "print('said by flows.py')\n"
        "assert sys.stdin.read() == ''\n"
        "threading.Thread(target=time.sleep, args=(600,)).start()\n"
    )
    with pytest.raises(SystemExit) as ended:
        group.main(["check", "--json"])
    out, err = capfd.readouterr()
    assert ended.value.code == 0 and json.loads(out)["valid"]
    assert "said by flows.py" in err


@pytest.mark.usefixtures("new_processes")
def test_a_flows_file_sees_what_flows_see_while_check_runs(folder: Path) -> None:
    (folder / ".env").write_text(
        "CRM_TOKEN=abc\nFLOWBRIDGE_SECRET_KEY=0123456789abcdef0123456789abcdef\n"
    )
    (folder / "routes.yaml").write_text(HEAD)
    (folder / "flows.py").write_text(
        "import os\nassert os.environ['CRM_TOKEN'] == 'abc' and 'FLOWBRIDGE_SECRET_KEY' not in"
        " os.environ\n"
    )
    assert run("check").exit_code == 0, run("check").stdout


@pytest.mark.usefixtures("new_processes")
def test_a_module_that_serve_would_find_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "lib").mkdir()
    (folder / "lib" / "tool_of_mine.py").write_text("x = 1\n")
    (folder / "routes.yaml").write_text(HEAD)
    (folder / "flows.py").write_text("import tool_of_mine\n")
    assert "ModuleNotFoundError" in run("check").stdout
    monkeypatch.syspath_prepend(folder / "lib")
    assert run("check").exit_code == 0


# -- inputs


def test_an_input_that_the_flow_does_not_have_is_a_warning_with_its_place(folder: Path) -> None:
    text = (
        FORM
        + "routes:\n- name: mail\n  on: contact\n  inputs: {to: a@example.com, subject: Hi, from:"
        " b@example.com}\n"
    )
    (found,) = problems(text + "  flow: local/send_email\n")
    assert (found["file"], found["line"], found["column"], found["path"]) == (
        "routes.yaml",
        7,
        44,
        "routes.0.inputs.from",
    )
    assert str(found["message"]).startswith(
        "the flow `send_email` has no input `from`, so it is left out; did you mean `from_`?"
        " it has: to, subject, text,"
    )
    result = run("check")
    assert (
        "routes.yaml:7:44: routes[mail].inputs.from: warning: the flow `send_email` has no input"
        " `from`" in result.stdout
    )
    assert result.exit_code == 0 and result.stdout.splitlines()[-1].endswith(", 1 warning")


def test_a_slip_is_named_in_an_included_file_and_by_a_flows_name(folder: Path) -> None:
    (folder / "more.yaml").write_text(
        "flows: {mail: {platform: local, saved_item_id: send_email}}\nroutes:\n- {name: mail, on:"
        " contact, inputs: {to: a@example.com, subjekt: Hi}, flow: mail}\n"
    )
    first, second = problems(FORM + "include: more.yaml\n")
    assert [(one["file"], one["line"]) for one in (first, second)] == [("more.yaml", 3)] * 2
    assert "needs `subject`, which the route does not give: every run will fail" in str(
        first["message"]
    )
    assert "has no input `subjekt`, so it is left out; did you mean `subject`?" in str(
        second["message"]
    )


FLOWS = """
from bridge.flows import WebhookInput, flow

@flow
def strict(name, greeting="Hello"): ...
@flow
def loose(name="", **inputs): ...
@flow
def whole(payload: WebhookInput): ...
@flow
def many(names=()): ...
@flow
def nothing(): ...
"""
GIVEN = {
    "strict, inputs: {name: x}": [],
    "strict, inputs: {name: x, greeting: y}": [],
    "strict, inputs: {greeting: y}": [
        "the flow `strict` needs `name`, which the route does not give: every run will fail"
    ],
    "strict, inputs: {nam: x, name: y}": [
        "the flow `strict` has no input `nam`, so it is left out; did you mean `name`? it has:"
        " name, greeting"
    ],
    'strict, inputs: "${body}"': [],
    "strict": [],
    "loose, inputs: {a: 1, b: 2}": [],
    "loose, inputs: {nmae: 1}": [
        "the flow `loose` has no input `nmae`, so it is passed as an extra one; did you mean"
        " `name`? it has: name"
    ],
    "loose, inputs: {names: 1, name: 2}": [],
    "whole, inputs: {a: 1, b: 2}": [],
    "nothing, inputs: {a: 1}": [
        "the flow `nothing` has no input `a`, so it is left out; it takes no inputs"
    ],
}


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(("route", "said"), GIVEN.items(), ids=GIVEN)
def test_inputs_are_held_against_the_flow(folder: Path, route: str, said: Sequence[str]) -> None:
    assert (
        messages(HEAD + f"routes:\n- {{name: one, on: contact, flow: local/{route}}}\n", FLOWS)
        == said
    )


def test_a_ready_made_flow_that_takes_any_column_is_held_against_its_own_inputs(
    folder: Path,
) -> None:
    route = (
        "routes:\n- {name: one, on: contact, inputs: {fiel: a.csv, colour: red}, flow:"
        " local/append_csv}\n"
    )
    assert messages(FORM + route) == [
        "the flow `append_csv` has no input `fiel`, so it is passed as an extra one; did you"
        " mean `file`? it has: file, bom, fields"
    ]


@pytest.mark.usefixtures("new_processes")
def test_an_input_of_another_flow_of_the_route_is_no_typo(folder: Path) -> None:
    route = (
        "routes:\n- {name: one, on: contact, inputs: {name: x, names: y}, flow: [local/strict,"
        " local/many, local/loose]}\n"
    )
    assert messages(HEAD + route, FLOWS) == []


def test_flows_of_other_platforms_are_not_held_against_anything(folder: Path) -> None:
    text = FORM.replace("{local:", '{crm: {type: http, url: "https://crm.example.com"}, local:')
    assert (
        messages(
            text + "routes:\n- {name: one, on: contact, inputs: {a: 1}, flow: crm/send_email}\n"
        )
        == []
    )


# -- forms


@pytest.mark.parametrize("flow", SENDER_CHOICES)
@pytest.mark.parametrize(
    "inputs", ["", ', inputs: "${form}"', ', inputs: "${ body }"'], ids=["none", "form", "body"]
)
def test_a_form_whose_sender_chooses_too_much_is_a_warning(
    folder: Path, flow: str, inputs: str
) -> None:
    ((name, what),) = SENDER_CHOICES[flow].items()
    (found,) = problems(
        FORM + f"routes:\n- {{name: one, on: contact, flow: local/{flow}{inputs}}}\n"
    )
    assert (
        found["path"] == ("routes.0.inputs" if inputs else "routes.0.flow") and found["line"] == 5
    )
    assert f", the sender of the form chooses `{name}`, {what}: list the inputs one by one" in str(
        found["message"]
    )


TAKES_NUMBERS = """
from typing import Optional
from bridge.flows import flow

@flow
def order(number: int, price: Optional[float] = None, gift: bool = False, note: str = ""): ...
"""
SCHEMA = "schema: {properties: {number: {type: integer}}}"
TO_NUMBER = ", or with `${to_number(form.%s)}` here"


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(
    ("source", "inputs", "said"),
    [
        ("", "", ["number int integer", "price Optional[float] number", "gift bool boolean"]),
        (
            "",
            'inputs: "${form}"',
            ["number int integer", "price Optional[float] number", "gift bool boolean"],
        ),
        ("", 'inputs: {number: "${form.number}"}', ["number int integer"]),
        ("", 'inputs: {number: "${to_number(form.number)}", note: "${form.note}"}', []),
        ("", "inputs: {number: 3}", []),
        (SCHEMA, 'inputs: {number: "${form.number}"}', []),
        (
            SCHEMA.replace("integer", "string"),
            'inputs: {number: "${body.number}"}',
            ["number int integer"],
        ),
    ],
)
def test_a_field_of_a_form_that_stays_text_is_a_warning(
    folder: Path, source: str, inputs: str, said: Sequence[str]
) -> None:
    text = HEAD.replace(
        "provider: form", f"provider: form, {source}" if source else "provider: form"
    )
    route = ", ".join(filter(None, ["name: one", "on: contact", inputs, "flow: local/order"]))
    expected = []
    for name, annotation, kind in (line.split() for line in said):
        is_listed = "form." in inputs or "body." in inputs
        expected.append(
            f"the flow `order` takes `{name}` as {annotation}, but a form sends text: convert it with"
            f" `schema: {{properties: {{{name}: {{type: {kind}}}}}}}` in the source `contact`"
            + (TO_NUMBER % name if is_listed else "")
        )
    assert messages(f"{text}routes:\n- {{{route}}}\n", TAKES_NUMBERS) == sorted(expected)


def test_what_is_said_of_forms_is_true_of_the_flows() -> None:
    for flow, names in SENDER_CHOICES.items():
        assert set(names) <= {one.name for one in READY_FLOWS[flow].inputs}


SAFE = {
    "its inputs are named": (
        FORM + 'routes:\n- {name: a, on: contact, inputs: {file: a.csv, fields: "${form}"}, flow:'
        " local/append_csv}\n"
    ),
    "the flow chooses nothing": FORM + "routes:\n- {name: a, on: contact, flow: local/echo}\n",
    "the sender proves who it is": (
        FORM.replace("provider: form", "provider: token, secret: 0123456789abcdef0123456789abcdef")
        + 'routes:\n- {name: a, on: contact, inputs: "${body}", flow: local/send_email}\n'
    ),
    "the schema allows no such field": (
        FORM.replace(
            "form}", "form, schema: {properties: {text: {}}, additionalProperties: false}}"
        )
        + "routes:\n- {name: a, on: contact, flow: local/send_email}\n"
    ),
}


@pytest.mark.parametrize("text", SAFE.values(), ids=SAFE)
def test_a_form_whose_sender_chooses_nothing_is_no_warning(folder: Path, text: str) -> None:
    assert [one for one in messages(text) if "chooses" in str(one)] == []


@pytest.mark.usefixtures("new_processes")
def test_a_flow_of_ones_own_under_a_ready_made_name_is_ones_own(folder: Path) -> None:
    flows = "from bridge.flows import flow\n@flow\ndef send_email(message=''): ...\n"
    assert (
        messages(HEAD + "routes:\n- {name: a, on: contact, flow: local/send_email}\n", flows) == []
    )


@pytest.mark.parametrize(
    ("flow", "inputs", "said"),
    [
        (
            "send_email",
            "{to: a@example.com, subject: Hi}",
            "needs FLOWBRIDGE_SMTP_URL, which is not set: every run will fail",
        ),
        (
            "slack_message",
            "{text: Hi}",
            (
                "needs FLOWBRIDGE_SLACK_WEBHOOK_URL, which is not set and the route gives no"
                " `webhook_url`: every"
            ),
        ),
        ("slack_message", "{text: Hi, webhook_url: https://hooks.slack.com/services/T/B/x}", ""),
        ("append_csv", "{file: a.csv, fields: {}}", ""),
    ],
)
def test_what_a_ready_made_flow_needs_and_is_not_set_is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, flow: str, inputs: str, said: str
) -> None:
    text = FORM + f"routes:\n- {{name: one, on: contact, flow: local/{flow}, inputs: {inputs}}}\n"
    assert messages(text) == []
    monkeypatch.delenv(smtp.URL_SETTING)
    monkeypatch.delenv(slack.WEBHOOK_SETTING)
    found = problems(text)
    assert [one["path"] for one in found] == ["routes.0.flow"] * bool(said) and said in "".join(
        str(one["message"]) for one in found
    )


def test_what_is_said_to_be_needed_is_what_the_flows_look_for() -> None:
    assert {
        name: [setting for setting, _ in needed] for name, needed in REQUIRED_SETTINGS.items()
    } == {
        "send_email": [smtp.URL_SETTING, mail.FROM_SETTING],
        "slack_message": [slack.WEBHOOK_SETTING],
    }
    for name, needed in REQUIRED_SETTINGS.items():
        assert {instead for _, instead in needed} <= {
            "",
            *(one.name for one in READY_FLOWS[name].inputs),
        }


@pytest.mark.parametrize(
    ("url", "more", "is_missed"),
    [
        ("smtp://127.0.0.1:25", "", True),
        ("smtp://127.0.0.1:25", ", from_: hooks@example.com", False),
        ("smtp://user:pass@mail.example.com:587", "", True),
        ("smtp://hooks%40example.com:pass@mail.example.com:587", "", False),
    ],
)
def test_mail_without_a_sender_is_a_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, url: str, more: str, is_missed: bool
) -> None:
    """Of an alert too: it goes the way of any other mail."""
    monkeypatch.setenv(smtp.URL_SETTING, url)
    monkeypatch.delenv(mail.FROM_SETTING)
    (folder / ".env").write_text("")
    inputs = f"{{to: a@example.com, subject: Hi{more}}}"
    text = (
        FORM + f"routes:\n- {{name: tell-me, on: flowbridge alert.*, inputs: {inputs}, flow:"
        " local/send_email}\n"
    )
    said = (
        "the flow `send_email` needs FLOWBRIDGE_SMTP_FROM, which is not set and the route gives no"
        " `from_`: every run will fail"
    )
    assert [one for one in messages(text) if "SMTP" in str(one)] == [said] * is_missed


def test_every_problem_of_one_file_is_listed_by_place(folder: Path) -> None:
    routes = "".join(
        f"- {{name: r{number}, on: contact, flow: local/{flow}}}\n"
        for number, flow in enumerate(("send_email", "gone", "append_csv"))
    )
    (folder / "routes.yaml").write_text(FORM + "routes:\n" + routes)
    result = run("check")
    assert result.exit_code == 1
    assert re.findall(r"(?m)^routes\.yaml:(\d+):\d+: (\S+)", result.stdout) == [
        ("5", "routes[r0].flow:"),
        ("6", "routes[r1].flow:"),
        ("7", "routes[r2].flow:"),
    ]


MANY = """\
version: 1
platforms: {local: {type: local, flows: flows.py}}
sources: {github: {provider: github, secret: "${env:HOOK_SECRET}"}}
routes:
- {name: a, on: github, inputs: {n: 1}, flow: local/mine}
- {name: b, on: github, inputs: {n: 1}, flow: local/gone}
"""


@pytest.mark.usefixtures("new_processes")
def test_a_missing_secret_hides_no_flow_that_is_unknown(folder: Path) -> None:
    (folder / "routes.yaml").write_text(MANY)
    (folder / "flows.py").write_text(
        "from bridge.flows import flow\n@flow\ndef mine(n: int = 0) -> None: ...\n"
    )
    result = run("check")
    assert result.exit_code == 2
    assert re.findall(r"(?m)^routes\.yaml:(\d+):\d+: (\S+)", result.stdout) == [
        ("3", "sources.github.secret:"),
        ("6", "routes[b].flow:"),
    ]
    assert "environment variable HOOK_SECRET is not set" in result.stdout
    assert result.stdout.splitlines()[-1] == "routes.yaml is valid, but 2 problems need fixing"
    assert (
        "note: source github answers 503 until its secret is set in .env; no restart is needed\n"
        in result.stderr
    )


@pytest.mark.usefixtures("new_processes")
def test_a_missing_secret_hides_no_broken_flows_file(folder: Path) -> None:
    (folder / "routes.yaml").write_text(MANY)
    (folder / "flows.py").write_text("def mine(:\n")
    result = run("check", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["valid"]) == (2, False)
    said = [one["message"] for one in found["problems"]]
    assert (
        said[0] == "environment variable HOOK_SECRET is not set"
        and "flows.py:1: SyntaxError" in said[1]
    ), said


# -- what init says of ready-made flows


@pytest.mark.usefixtures("new_processes")
def test_a_new_project_names_the_ready_made_flows_and_what_they_are_set_up_with(
    folder: Path,
) -> None:
    run("init")
    routes, flows, env = (
        (folder / name).read_text() for name in ("routes.yaml", "flows.py", ".env")
    )
    for text in (routes, flows):
        assert set(re.findall(r"[a-z]+_[a-z]+", text)) >= {
            "append_csv",
            "send_email",
            "slack_message",
            "http_request",
        }
        # an installed flowbridge has no docs folder
        assert "flowbridge flows list" in text and "docs/" not in text
    assert re.findall(r"(?m)^(\w+)=", env) == ["GITHUB_WEBHOOK_SECRET", "FLOWBRIDGE_SECRET_KEY"]
    told = set(re.findall(r"(?m)^# (FLOWBRIDGE_\w+)=", env))
    assert told >= {
        mail.FROM_SETTING,
        mail.ALLOWED_TO_SETTING,
        smtp.URL_SETTING,
        slack.WEBHOOK_SETTING,
    }
    (folder / ".env").write_text(env.replace("# FLOWBRIDGE_", "FLOWBRIDGE_"))
    assert run("check").exit_code == 0


def test_a_setting_that_a_platform_needs_is_missed_before_a_process_does_not_start(
    folder: Path,
) -> None:
    (folder / "routes.yaml").write_text(
        "version: 1\nplatforms: {crm: {type: http, url: 'https://crm.example.com/', files: link}}\n"
    )
    result = run("check")
    assert result.exit_code == 2 and "routes.yaml cannot be used: 1 error" in result.stdout
    assert "error: platform 'crm' receives links to files (`files: link`)" in result.stdout
    (folder / ".env").write_text("FLOWBRIDGE_PUBLIC_URL=https://hooks.example.com\n")
    assert run("check").exit_code == 0


@pytest.mark.parametrize(
    ("text", "is_unread"),
    [
        (
            FORM
            + "routes:\n- {name: a, on: contact, inputs: {title: ${body.x}}, flow: local/echo}\n",
            True,
        ),
        (FORM + "routes:\n- {name: a, on: contakt, flow: local/echo}\n", False),
    ],
)
def test_where_the_file_cannot_be_read_more_may_follow(
    folder: Path, text: str, is_unread: bool
) -> None:
    (folder / "routes.yaml").write_text(text)
    result = run("check")
    more = "; there may be others once the file can be read" if is_unread else ""
    said = result.stdout.splitlines()[-1].removesuffix(", 1 warning")
    assert (result.exit_code, said) == (2, f"routes.yaml cannot be used: 1 error{more}")


def test_a_setting_that_needs_a_restart_is_noted(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\nsources: {contact: {provider: form}}\n")
    note = "FLOWBRIDGE_SMTP_URL in .env changed: restart flowbridge to use the new value"
    bridge = Presence(folder / "data")
    try:
        bridge.publish({"pid": 1, "restart": ["FLOWBRIDGE_SMTP_URL"]})
        assert note in " ".join(run("check").stderr.split())
        bridge.publish({"pid": 1, "restart": []})
        assert "restart" not in run("check").stderr
    finally:
        bridge.close()
