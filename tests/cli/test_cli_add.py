"""add: every provider, with what its source needs: a secret, one to be pasted, keys that are
fetched or told, pins.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import lines, run
from ruamel.yaml import YAML
from senders import KEY, PINS, pair_of, sender
from signing import NOW

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.pins import pins_of


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def sources(folder: Path) -> Any:
    return YAML(typ="safe", pure=True).load((folder / "routes.yaml").read_text())["sources"]


def pins(name: str) -> list[str]:
    """The options that pin what the provider's signature does not tell."""
    needed = [pin.name for pin in pins_of(PROVIDERS[name].scheme) if pin.required]
    return [part for pin in needed for part in ("--pin", f"{pin}={PINS[pin]}")]


@pytest.mark.parametrize(
    ("bind", "url"),
    [("0.0.0.0:9000", "http://127.0.0.1:9000/"), ("[::1]:9000", "http://[::1]:9000/")],
)
def test_the_url_is_one_that_this_machine_reaches(
    folder: Path, monkeypatch: pytest.MonkeyPatch, bind: str, url: str
) -> None:
    monkeypatch.setenv("FLOWBRIDGE_BIND", bind)
    (folder / "routes.yaml").write_text("version: 1\n")
    assert f"{url}hooks/contact" in run("add", "form", "contact").stdout
    assert f"{url}hooks/contact" in run("form", "contact").stdout


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_can_be_added(folder: Path, name: str) -> None:
    row = PROVIDERS[name]
    one = sender(name)
    if row.secret_starts:
        secret = f"{row.secret_starts[0]}{one.secret}"
        one = replace(one, secret=secret, private=secret)
    (folder / "routes.yaml").write_text("version: 1\n")
    result = run("add", name, *pins(name))
    assert result.exit_code == 0, result.stderr
    assert f"http://127.0.0.1:8080/hooks/{name}" in result.stdout
    assert " ".join(row.explain_setup().split()) in " ".join(result.stdout.split())
    env = (folder / ".env").read_text() if (folder / ".env").exists() else ""
    variable = f"{name.upper()}_WEBHOOK_SECRET"
    if row.generates_secret:
        assert re.search(rf"(?m)^{variable}=\S{{32,}}$", env) and variable in result.stdout
        assert one.scheme.secret_problem(env.strip().partition("=")[2]) is None
        # a secret is shown on a terminal only
        assert env.strip().partition("=")[2] not in result.stdout
    elif row.learn or not one.scheme.needs_secret:  # the sender tells it, or publishes its keys
        assert env == "" and (name == "form" or row.secret_hint in result.stdout)
        assert not row.learn or f"flowbridge learn {name}" in result.stdout
    else:
        assert (
            env.endswith(f"{variable}=\n")
            and f"set it in .env: {variable}=…  ({row.secret_hint})" in result.stdout
        )
        assert run("check").exit_code == 2  # until it is there
        (folder / ".env").write_text(env.replace(f"{variable}=\n", f"{variable}='{one.secret}'\n"))
    (found,) = lines(run("check", "--json"))
    assert (found["valid"], found["problems"]) == (True, [])
    (source,) = load(
        folder / "routes.yaml", load_settings({}, config=str(folder / "routes.yaml")).environ
    ).sources.values()
    assert name == "hmac" or source.scheme == one.scheme  # with the pins
    if not (row.generates_secret or row.learn) and source.secrets:
        source.scheme.verify(one.signed(), source.secrets, NOW)


@pytest.mark.parametrize("name", [name for name in PROVIDERS if pins(name)])
def test_a_pin_that_is_missing_is_asked_for(folder: Path, name: str) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    result = run("add", name)
    assert result.exit_code == 2 and (folder / "routes.yaml").read_text() == "version: 1\n"
    for pin in pins_of(PROVIDERS[name].scheme):
        assert f"--pin {pin.name}=VALUE   {pin.what}" in result.stderr


def test_pins_are_written_one_or_several_and_nothing_else_is_a_pin(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    topics = [f"arn:aws:sns:eu-central-1:123456789012:{name}" for name in ("garden", "kitchen")]
    assert (
        run(
            "add",
            "aws_sns",
            *(part for topic in topics for part in ("--pin", f"topic_arn={topic}")),
        ).exit_code
        == 0
    )
    assert run("add", "paypal", "--pin", "webhook_id=12345").exit_code == 0  # not a number
    assert run("add", "plaid", "--pin", "environment=sandbox").exit_code == 0
    assert "audience: not set; it can be the URL of this source" in run("add", "monday").stdout
    written = sources(folder)
    assert written["aws_sns"]["pins"] == {"topic_arn": topics} and written["paypal"]["pins"] == {
        "webhook_id": "12345"
    }
    assert (
        written["plaid"]["pins"] == {"environment": "sandbox"} and "pins" not in written["monday"]
    )
    for provider, pin, said in (
        ("plaid", "environment=moon", "must be one of production, sandbox"),
        ("plaid", "colour=red", "'colour' cannot be pinned; allowed: environment"),
        ("github", "a=b", "'a' cannot be pinned; allowed: nothing"),
        ("hmac", "a=b", "cannot be pinned"),
        ("plaid", "environment=", "is not NAME=VALUE"),
    ):
        result = run("add", provider, "new", "--pin", pin)
        assert result.exit_code == 2 and said in result.stderr


def test_what_answers_a_test_of_the_url_is_made_beside_the_key(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    assert run("add", "ebay").exit_code == 0
    assert sources(folder)["ebay"]["secrets"] == [
        "${env:EBAY_WEBHOOK_TOKEN}",
        "${env:EBAY_WEBHOOK_SECRET}",
    ]
    assert re.fullmatch(
        r"EBAY_WEBHOOK_TOKEN=token:[0-9a-f]{40}\nEBAY_WEBHOOK_SECRET=\n",
        (folder / ".env").read_text(),
    )


def test_a_key_of_several_lines_is_left_as_it_is(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    public, _ = pair_of(sender("sendgrid").scheme, KEY)
    env = f'A=1\nSENDGRID_WEBHOOK_SECRET="{public}"\nB=2\n'
    (folder / ".env").write_text(env)
    result = run("add", "sendgrid")
    assert "SENDGRID_WEBHOOK_SECRET in .env" in result.stdout and "--made-up" in result.stdout
    assert (folder / ".env").read_text() == env and run("check").exit_code == 0


@pytest.mark.usefixtures("new_processes")
def test_a_second_one_has_its_own_name_secret_and_route(folder: Path) -> None:
    run("init")
    before = (folder / "routes.yaml").read_text()
    clash = run("add", "github")
    assert clash.exit_code == 2 and "'github-2' is free" in clash.stderr
    assert (folder / "routes.yaml").read_text() == before
    assert run("add", "github", "github-2").exit_code == 0
    assert run("add", "form", "9lives", "--flow", "local/triage").exit_code == 0
    assert "GITHUB_2_WEBHOOK_SECRET=" in (folder / ".env").read_text()
    assert mode(folder / ".env") == 0o600
    (found,) = lines(run("check", "--json"))
    assert (found["sources"], found["routes"]) == (4, 4)


@pytest.mark.usefixtures("new_processes")
def test_the_public_url_is_said_where_it_is_known(folder: Path) -> None:
    run("init")
    with (folder / ".env").open("a") as env:
        env.write("FLOWBRIDGE_PUBLIC_URL=https://hooks.example.com/\n")
    assert "https://hooks.example.com/hooks/feedback\n" in run("add", "form", "feedback").stdout


def test_a_secret_that_is_set_already_is_kept(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    (folder / ".env").write_text("# mine\nexport GITHUB_WEBHOOK_SECRET=kept-kept-kept-kept\n")
    assert run("add", "github").exit_code == 0
    assert "kept-kept-kept-kept" in (folder / ".env").read_text()
    (folder / "routes.yaml").write_text("version: 1\n")
    (folder / ".env").write_text("GITHUB_WEBHOOK_SECRET=\nOTHER=1")
    assert run("add", "github").exit_code == 0
    assert re.fullmatch(
        r"GITHUB_WEBHOOK_SECRET=[0-9a-f]{40}\nOTHER=1", (folder / ".env").read_text()
    )


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(
    "arguments", ["github,x,--flow,local/ecko", "form,x,--flow,nowhere/1", "form,a b"]
)
def test_nothing_is_written_where_the_outcome_would_not_load(folder: Path, arguments: str) -> None:
    run("init")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = run("add", *arguments.split(","))
    assert result.exit_code == 2 and "routes.yaml:" in result.stderr
    assert "Nothing was written" in result.stderr
    after = {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "data"
    }
    assert after == {path: text for path, text in before.items() if path.parent.name != "data"}


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize(
    ("flows", "said"),
    [
        ("import os\nos._exit(0)\n", "flows.py: the process ended with code 0 while it was loaded"),
        (
            "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
            "flows.py: the process died (SIGSEGV) while it was loaded",
        ),
        ("import this_is_nowhere\n", "ModuleNotFoundError: No module named 'this_is_nowhere'"),
    ],
)
def test_a_flows_py_that_breaks_its_process_ends_no_command_and_nothing_is_written(
    folder: Path, flows: str, said: str
) -> None:
    run("init")
    (folder / "flows.py").write_text(flows)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    result = run("add", "form", "feedback", "--flow", "local/triage")
    assert (
        result.exit_code == 1 and "nothing was written" in result.stderr and said in result.stderr
    )
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.usefixtures("new_processes")
def test_flows_py_is_run_in_a_process_of_its_own_without_our_secrets(folder: Path) -> None:
    run("init")
    path = folder / "flows.py"
    more = (
        "\nimport os\nassert 'FLOWBRIDGE_SECRET_KEY' not in os.environ\nopen('pid',"
        " 'w').write(str(os.getpid()))\n"
    )
    path.write_text(path.read_text() + more)
    assert run("add", "form", "feedback", "--flow", "local/triage").exit_code == 0
    assert int((folder / "pid").read_text()) != os.getpid()


def test_an_unknown_provider_is_wrong_usage_with_a_near_miss(folder: Path) -> None:
    result = run("add", "githb")
    assert result.exit_code == 2 and "did you mean `github`?" in result.stderr
    assert "flowbridge init" in run("add", "github").stderr


def test_what_cannot_be_pinned_is_named(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    for name, given, said in (
        (
            "aws_sns",
            "topik_arn=x",
            "--pin: 'topik_arn' cannot be pinned; did you mean `topic_arn`? allowed: topic_arn",
        ),
        ("github", "topic=x", "--pin: 'topic' cannot be pinned; allowed: nothing"),
    ):
        result = run("add", name, "--pin", given)
        assert result.exit_code == 2 and said in result.stderr


def test_a_sample_is_named_once_the_secret_is_set(folder: Path) -> None:
    (folder / "routes.yaml").write_text("version: 1\n")
    sample = "try it: flowbridge sample {} --to http://127.0.0.1:8080\n"
    assert "\nThen " + sample.format("stripe") in run("add", "stripe").stdout
    assert "\nT" + sample.format("github")[1:] in run("add", "github").stdout
    assert (
        "Start `flowbridge serve`, then send one: flowbridge sample github --to"
        in run("events").stderr
    )


@pytest.mark.usefixtures("new_processes")
@pytest.mark.parametrize("flow", ["append_csv", "append_jsonl"])
def test_the_sender_of_a_new_form_does_not_choose_the_file(folder: Path, flow: str) -> None:
    run("init")
    assert run("add", "form", "newsletter", "--flow", f"local/{flow}").exit_code == 0
    written = YAML(typ="safe", pure=True).load((folder / "routes.yaml").read_text())["routes"][-1]
    ending = flow.removeprefix("append_")
    assert written["inputs"] == {"file": f"newsletter.{ending}", "fields": "${form}"}
    assert "warning" not in run("check").stdout


@pytest.mark.usefixtures("new_processes")
def test_the_example_of_a_source_goes_once_the_source_is_there(folder: Path) -> None:
    run("init")
    assert "  # stripe:\n" in (folder / "routes.yaml").read_text()
    assert run("add", "stripe").exit_code == 0
    text = (folder / "routes.yaml").read_text()
    assert (
        "# stripe:" not in text
        and text.count("provider: stripe") == 1
        and "# - name: receipts" in text
    )
