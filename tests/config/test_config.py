"""routes.yaml that is right: what it becomes, its defaults, its hash, its includes and schemas."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import bridge.config.loader
from bridge.config.loader import check, load, load_canonical
from bridge.config.schema import units
from bridge.config.schema.document import UNAVAILABLE_KEYS, DocumentSchema
from bridge.config.schema.json_schema import editor_schema, schema_text
from bridge.core.errors import ConfigError
from bridge.core.model import Retry
from bridge.core.rate_limits import NO_LIMITS, Limits, Rate
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.header_formats import Pairs
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.shared_token import SharedToken, Unsigned
from bridge.providers.signatures.timestamps import Timestamp
from bridge.routing.model import Debouncing, LocalKey, Mode

ENV = {
    "SECRET": "0123456789abcdef0123",
    "STRIPE": "whsec_0123456789abcdef",
    "OLD": "whsec_fedcba9876543210",
    "KEY": "key-of-the-account",
    "USER": "user-1",
}

FULL = """\
# yaml-language-server: $schema=routes.schema.json
version: 1
platforms:
  gumloop:
    type: gumloop
    api_key: ${env:KEY}
    user_id: ${env:USER}
    project_id: null
  local: {type: local, flows: flows.py}
  crm: {type: http, url: "https://crm.example.com/in", headers: {Authorization: "Bearer ${env:KEY}"}, timeout: 5s}
sources:
  github: {provider: github, secret: "${env:SECRET}"}
  stripe: {provider: stripe, secrets: ["${env:STRIPE}", {value: "${env:OLD}", not_after: 2027-01-01}]}
  contact: {provider: form, redirect: https://example.com/thanks, allowed_origins: [https://Example.com/],
            schema: {type: object, required: [name]}}
  crm:
    provider: hmac
    verify: {header: X-Signature, algorithm: sha256, encoding: hex, prefix: "sha256=", signed: "{timestamp}.{body}",
             timestamp: {header: X-Timestamp, unit: s, tolerance: 60}}
    secret: ${env:SECRET}
    event_type: header:X-Event
    event_id: [body:id, header:X-Id]
    rate: 10/s
    max_body: 1 MiB
    max_depth: 20
    dedup: body
  hook: {provider: token, secret: "${env:SECRET}", verify: {header: X-Token}}
  open: {provider: github, insecure: true}
flows:
  triage: {platform: gumloop, saved_item_id: q3das}
routes:
  - name: triage-issues
    on: github issues, pull_request*
    match:
      body.action: [opened, reopened]
      body.issue.user.type: {ne: Bot}
    when: body.issue.number >= 10
    inputs:
      title: ${body.issue.title}        # a comment that says what a lone ${…} does
      summary: "#${body.issue.number}"
    flow: triage
    strict: true
    reserved: drop
    mode: shadow
    retry: {attempts: 3, first: 1s, max: 1m}
    run_timeout: 2h
  - {name: paid, source: stripe, match: {event: [invoice.paid, "invoice.*"]}, inputs: "${body}", flow: gumloop/aB3d}
  - {name: contact, on: contact, flow: local/send_email}
  - {name: all, on: crm, inputs: {a: 1}, flow: crm/anything}
  - {name: hooks, on: [hook, a, b], inputs: {a: 1}, flow: local/echo, mode: paused}
  - {name: opens, on: "open [push]", inputs: {a: 1}, flow: local/echo}
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="routes.yaml"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write


@pytest.fixture
def full(write):
    return load(write(FULL), ENV, cpus=3)


def test_platforms(full, tmp_path):
    gumloop, local, crm = (full.platforms[name] for name in ("gumloop", "local", "crm"))
    assert (gumloop.type, gumloop.base_url, gumloop.api_key, gumloop.user_id) == (
        "gumloop",
        "https://api.gumloop.com/api/v1",
        ENV["KEY"],
        ENV["USER"],
    )
    assert (gumloop.project_id, gumloop.max_concurrent_runs, gumloop.timeout) == (None, 5, 30.0)
    assert (local.type, local.max_concurrent_runs, local.flows) == (
        "local",
        6,
        str(tmp_path / "flows.py"),
    )
    assert (crm.base_url, crm.method, crm.headers, crm.max_concurrent_runs, crm.timeout) == (
        "https://crm.example.com/in",
        "POST",
        {"Authorization": f"Bearer {ENV['KEY']}"},
        16,
        5.0,
    )
    assert ENV["KEY"] not in repr(full)


def test_sources(full):
    github, stripe, contact, crm = (
        full.sources[name] for name in ("github", "stripe", "contact", "crm")
    )
    assert github.provider is PROVIDERS["github"]
    assert github.scheme is PROVIDERS["github"].scheme
    assert [secret.value for secret in github.secrets] == [ENV["SECRET"]]
    assert (github.max_body, github.max_depth, github.dedup, github.rate, github.insecure) == (
        25 * 1024**2,
        100,
        "id",
        None,
        False,
    )
    assert github.event_type == PROVIDERS["github"].event_type
    assert github.credentials >= {"header:authorization", "header:cookie"}
    assert [(secret.value, secret.not_after) for secret in stripe.secrets] == [
        (ENV["STRIPE"], None),
        (ENV["OLD"], 1798761600.0),
    ]
    assert isinstance(contact.scheme, Unsigned)
    assert (contact.rate, contact.rate_per_address) == (
        Rate(count=60, per=60.0),
        Rate(count=10, per=60.0),
    )
    assert (contact.form.redirect, contact.form.allowed_origins) == (
        "https://example.com/thanks",
        ("https://example.com",),
    )
    assert contact.form.schema.errors({}) == [("$", "'name' is a required property")]
    assert contact.form.schema_document == {"type": "object", "required": ["name"]}
    assert crm.scheme == Hmac(
        at="header:X-Signature",
        prefix="sha256=",
        signed=("{timestamp}.{body}",),
        timestamp=Timestamp("header:X-Timestamp", tolerance=60.0),
    )
    assert (crm.event_type, crm.event_id) == (("header:X-Event",), ("body:id", "header:X-Id"))
    assert (crm.rate, crm.rate_per_address, crm.max_body, crm.max_depth, crm.dedup) == (
        Rate(count=10, per=1.0),
        None,
        1024**2,
        20,
        "body",
    )
    assert full.sources["hook"].scheme == SharedToken(at="header:X-Token")
    assert "header:x-token" in full.sources["hook"].credentials
    assert isinstance(full.sources["open"].scheme, Unsigned)
    assert full.sources["open"].insecure is True


def test_routes(full):
    triage, paid, contact, everything, hooks, opens = full.routes
    assert (triage.name, triage.source, triage.types) == (
        "triage-issues",
        "github",
        ("issues", "pull_request*"),
    )
    assert (triage.flow.name, triage.flow.platform, triage.flow.saved_item_id) == (
        "triage",
        "gumloop",
        "q3das",
    )
    assert (triage.mode, triage.drop_reserved, triage.retry) == (
        Mode.SHADOW,
        True,
        Retry(3, 1.0, 60.0),
    )
    assert (triage.run_timeout, triage.on_unknown, triage.whole_body) == (
        7200.0,
        "reconcile",
        False,
    )
    context = {
        "body": {
            "action": "opened",
            "issue": {"number": 12, "title": "T", "user": {"type": "User"}},
        }
    }
    assert triage.match(context) is True
    assert triage.match({"body": {"action": "opened", "issue": {"number": 9}}}) is False
    assert triage.reshape(context) == {"title": "T", "summary": "#12"}
    assert (paid.types, paid.match, paid.whole_body) == (("invoice.paid", "invoice.*"), None, True)
    assert paid.reshape({"body": {"a": 1}}) == {"a": 1}
    assert contact.whole_body is True
    assert contact.reshape({"form": {"a": "1"}}) == {"a": "1"}
    assert (contact.flow.name, contact.on_unknown) == ("local/send_email", "retry")
    assert (everything.types, everything.match, everything.on_unknown, everything.run_timeout) == (
        (),
        None,
        "retry",
        3600.0,
    )
    assert (everything.retry, everything.mode, everything.drop_reserved) == (
        Retry(12, 5.0, 21600.0),
        Mode.LIVE,
        False,
    )
    assert (hooks.source, hooks.types, hooks.mode) == ("hook", ("a", "b"), Mode.PAUSED)
    assert opens.types == ("push",)
    assert [route.name for route in full.routes_of("github")] == ["triage-issues"]


WAITS = """\
version: 1
platforms:
  gumloop: {type: gumloop, api_key: "${env:SECRET}", user_id: me}
  hook: {type: http, url: "https://example.com/x"}
sources: {f: {provider: form}}
flows: {mine: {platform: gumloop, saved_item_id: q3, exclusive: true}}
routes:
  - {name: plain, on: f, flow: mine}
  - name: line
    on: f
    flow: mine
    order_by: form.customer
    order_until: delivered
    on_dead: block
    delay: 90s
    rate: 30/min
    max_runs_per_day: 100
    max_concurrent_runs: 2
    on_unknown: hold
    on_run_failed: {retry: 3}
  - {name: last, on: f, flow: hook/x, debounce: {wait: 30s, key: "${form.a}"}, on_unknown: hold}
  - {name: all, on: f, flow: mine, debounce: {wait: 30s, max: 5m}, on_run_failed: "retry: 2"}
"""


SEVERAL = """
version: 1
platforms: {local: {type: local}, gumloop: {type: gumloop, api_key: "${env:KEY}", user_id: "${env:USER}"}}
sources: {github: {provider: github, secret: "${env:SECRET}"}}
flows: {named: {platform: local, saved_item_id: echo}}
routes:
  - {name: both, on: github, inputs: {n: "${body.n}"}, flow: FLOWS, max_runs_per_day: 5}
  - {name: one, on: github, inputs: {n: "${body.n}"}, flow: [local/echo]}
"""


def test_a_route_may_start_several_flows(write):
    config = load(write(SEVERAL.replace("FLOWS", "[named, local/append_csv, gumloop/in]")), ENV)
    assert [
        (one.name, one.flow.name, one.has_siblings, one.on_unknown, one.limits.max_runs_per_day)
        for one in config.routes
    ] == [
        ("both", "named", True, "retry", 5),
        ("both", "local/append_csv", True, "retry", 5),
        ("both", "gumloop/in", True, "reconcile", 5),
        ("one", "local/echo", False, "retry", None),
    ]
    assert config.route_names == ("both", "one")
    assert [
        one.flow.name for one in load_canonical(config.canonical, ENV, write("").parent).routes[:2]
    ] == ["named", "local/append_csv"]


@pytest.mark.parametrize(
    ("flows", "message"),
    [
        ("[named, local/echo]", "the flow `local/echo` is listed twice"),
        ("[named, nmaed]", "no flow `nmaed`; did you mean `named`?"),
        ("[]", "needs at least one text"),
        ("[named, 3]", "needs a text or a list of texts"),
        (str([f"local/f{n}" for n in range(21)]), "at most 20"),
    ],
)
def test_what_is_wrong_with_one_of_several_flows_is_said(write, flows, message):
    config, problems = check(write(SEVERAL.replace("FLOWS", flows)), ENV)
    assert config is None and [message in problem.message for problem in problems] == [True]
    assert problems[0].path.startswith("routes.0.flow")


def test_when_deliveries_of_a_route_go(write):
    config = load(write(WAITS), {"SECRET": "x" * 32})
    plain, line, last, everything = config.routes
    assert (plain.delay, plain.debounce, plain.ordering, plain.limits) == (
        0.0,
        None,
        None,
        NO_LIMITS,
    )
    assert (plain.on_unknown, plain.on_run_failed, plain.run_retries) == ("reconcile", "ignore", 0)
    assert plain.flow.exclusive is True
    assert (
        line.ordering.until,
        line.ordering.blocks,
        line.ordering.key({"form": {"customer": 7}}),
    ) == ("delivered", True, 7)
    assert (line.delay, line.on_unknown, line.on_run_failed, line.run_retries) == (
        90.0,
        "hold",
        "retry",
        3,
    )
    assert line.limits == Limits(
        max_concurrent_runs=2, rate=Rate(count=30, per=60.0), max_runs_per_day=100
    )
    assert (last.debounce.wait, last.debounce.max, last.debounce.key({"form": {"a": "b"}})) == (
        30.0,
        300.0,
        "b",
    )
    assert (everything.debounce, everything.run_retries) == (Debouncing(wait=30.0, max=300.0), 2)


def test_a_cap_of_a_route_above_its_platforms_is_a_warning(write):
    _, problems = check(
        write(WAITS.replace("max_concurrent_runs: 2", "max_concurrent_runs: 9")),
        {"SECRET": "x" * 32},
    )
    assert [(each.level, each.message) for each in problems] == [
        ("warning", "allows 9 runs at once, but the platform `gumloop` allows 5")
    ]


def test_a_right_file_has_no_problems(write):
    assert check(write(FULL), ENV)[1] == []


@pytest.mark.parametrize(
    "text", ["version: 1\n", "version: 1\nplatforms:\nsources:\nflows: {}\nroutes: []\n"]
)
def test_every_section_may_be_empty(write, text):
    config = load(write(text), {})
    assert (config.sources, config.routes, config.flows, config.platforms) == ({}, (), {}, {})


def test_the_hash_is_of_what_is_written_not_of_the_secrets(write, tmp_path):
    first = load(write(FULL), ENV)
    second = load(write(FULL), ENV | {"SECRET": "another-secret-of-length"})
    assert first.hash == second.hash
    assert "${env:SECRET}" in first.canonical
    assert not any(secret in first.canonical for secret in ENV.values())
    assert load(write("# a comment\n" + FULL), ENV).hash == first.hash
    assert load(write(FULL.replace("opened", "closed")), ENV).hash != first.hash


def test_the_hash_covers_includes_and_schema_files(write):
    main = "version: 1\ninclude: [more.yaml]\nplatforms: {local: {type: local}}\n"
    more = (
        "sources: {f: {provider: form, schema: s.json}}\nroutes: [{name: a, on: f, flow:"
        " local/echo}]\n"
    )
    write(more, "more.yaml")
    write('{"$ref": "deep/t.json"}', "s.json")
    write('{"type": "object"}', "deep/t.json")
    config = load(write(main), {})
    assert [Path(file).name for file in config.files] == [
        "routes.yaml",
        "more.yaml",
        "s.json",
        "t.json",
    ]
    hashes = {config.hash}
    write('{"type": "object", "required": ["a"]}', "deep/t.json")
    hashes.add(load(write(main), {}).hash)
    write(more.replace("name: a", "name: b"), "more.yaml")
    hashes.add(load(write(main), {}).hash)
    assert len(hashes) == 3


def test_a_kept_configuration_can_be_built_again(write):
    write('{"required": ["x"]}', "s.json")
    text = FULL.replace("    flow: triage\n", "    flow: triage\n    payload_schema: s.json\n")
    config = load(write(text), ENV)
    again = load_canonical(config.canonical, ENV)
    assert again.hash == config.hash
    assert [route.name for route in again.routes] == [route.name for route in config.routes]
    assert again.routes[0].payload_schema.errors({}) == [("$", "'x' is a required property")]


def test_includes_are_merged_and_globs_sorted(write):
    write(
        "sources: {a: {provider: github, secret: '${env:SECRET}'}}\nroutes: [{name: r1, on: a,"
        " inputs: {x: 1}, flow: f}]\n",
        "conf/1.yaml",
    )
    write(
        "version: 1\nflows: {f: {platform: local, saved_item_id: echo}}\nroutes: [{name: r2, on: a,"
        " inputs: {x: 1}, flow: f}]\n",
        "conf/2.yaml",
    )
    file = write(
        "version: 1\ninclude: conf/*.yaml\nplatforms: {local: {type: local}}\n"
        "routes: [{name: r0, on: a, inputs: {x: 1}, flow: f}]\n"
    )
    assert [route.name for route in load(file, ENV).routes] == ["r0", "r1", "r2"]


def test_a_name_that_two_routes_have_leads_to_the_other_in_its_file(write):
    head = (
        "version: 1\ninclude: [more.yaml]\nplatforms: {local: {type: local}}\nsources: {f:"
        " {provider: form}}\nroutes:\n"
    )
    route = "  - {name: r, on: f, flow: local/echo}\n"
    write(f"routes:\n{route}", "more.yaml")
    file = write(head + route)
    (problem,) = check(file, {})[1]
    assert (problem.line, problem.message) == (
        2,
        f"two routes are called `r`; the other is in line 6 of {file}",
    )


def test_problems_of_an_included_file_carry_its_own_name(write):
    more = write(
        "routes:\n  - name: r\n    on: nobody\n    flow: local/echo\n    inputs:\n      x:"
        " ${bdy.y}\n",
        "more.yaml",
    )
    file = write(
        "version: 1\ninclude: [more.yaml]\nplatforms: {local: {type: local}}\nroutes:\n  - name:"
        " r\n    on: no\n    flow: x\n"
    )
    problems = [str(problem) for problem in check(file, {})[1]]
    assert [problem.partition(": ")[0] for problem in problems] == [
        f"{file}:6:9",
        f"{file}:7:11",
        f"{more}:2:11",
        f"{more}:3:9",
        f"{more}:6:10",
    ]
    assert "two routes are called `r`" in problems[2]


def test_what_is_defined_twice_across_files_is_an_error(write):
    more = write("sources:\n  a: {provider: form}\n", "more.yaml")
    file = write("version: 1\ninclude: [more.yaml]\nsources:\n  a: {provider: form}\n")
    errors = [problem for problem in check(file, {})[1] if problem.level == "error"]
    assert [str(problem) for problem in errors] == [
        f"{more}:2:3: sources.a: `a` is defined already, in {file}:4"
    ]


def test_an_include_through_a_link_out_of_the_folder_is_refused(write, tmp_path):
    (tmp_path.parent / "outside.yaml").write_text("sources: {}\n")
    file = write("version: 1\ninclude: [link.yaml]\n")
    (tmp_path / "link.yaml").symlink_to(tmp_path.parent / "outside.yaml")
    assert "leads out of the folder" in str(check(file, {})[1][0])


@pytest.mark.parametrize("name", ["../outside.json", "/etc/hostname", "link.json"])
def test_a_schema_outside_the_folder_is_refused(write, tmp_path, name):
    (tmp_path.parent / "outside.json").write_text("{}")
    (tmp_path / "link.json").symlink_to(tmp_path.parent / "outside.json")
    file = write(f"version: 1\nsources:\n  f: {{provider: form, schema: {name}}}\n")
    errors = [problem for problem in check(file, {})[1] if problem.level == "error"]
    assert [(p.line, p.column) for p in errors] == [(3, 31)]
    assert "leads out of the folder" in errors[0].message


def test_schema_files_may_be_yaml(write):
    write("type: object\nrequired: [a]\n", "s.yaml")
    config = load(write("version: 1\nsources: {f: {provider: form, schema: s.yaml}}\n"), {})
    assert config.sources["f"].form.schema_document == {"type": "object", "required": ["a"]}


def test_a_broken_schema_file_says_where_it_is_broken(write):
    write('{\n  "type": }', "s.json")
    file = write("version: 1\nsources:\n  f: {provider: form, schema: s.json}\n")
    assert "s.json:2:11: not JSON" in str(check(file, {})[1][1])


def test_a_number_that_python_does_not_read_is_a_problem_of_its_schema_file(write):
    write(f'{{"minimum": {"1" * 5000}}}', "s.json")
    file = write("version: 1\nsources:\n  f: {provider: form, schema: s.json}\n")
    found, problems = check(file, {})
    assert found is None
    assert "s.json: a number has too many digits" in str(problems[-1])


# secrets


def test_an_unset_or_empty_variable_stops_the_load(write):
    file = write(FULL)
    for environ, what in (
        (ENV | {"KEY": ""}, "empty"),
        ({k: v for k, v in ENV.items() if k != "KEY"}, "not set"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(file, environ)
        assert [str(problem) for problem in caught.value.problems] == [
            f"{file}:6:14: platforms.gumloop.api_key: environment variable KEY is {what}",
            (
                f"{file}:10:81: platforms.crm.headers.Authorization: environment variable KEY is"
                f" {what}"
            ),
        ]


def test_missing_secrets_can_be_warnings_and_then_nothing_verifies(write):
    config, problems = check(write(FULL), {}, strict_secrets=False)
    assert {problem.level for problem in problems} == {"warning"}
    assert config.sources["github"].secrets == ()
    assert config.platforms["gumloop"].api_key == ""
    assert config.missing == {
        "sources.github": "environment variable SECRET is not set",
        "sources.stripe": "environment variable STRIPE is not set",
        "sources.crm": "environment variable SECRET is not set",
        "sources.hook": "environment variable SECRET is not set",
        "platforms.gumloop": "environment variable KEY is not set",
        "platforms.crm": "environment variable KEY is not set",
    }
    assert list(config.callable_platforms) == ["local"]
    whole = load(write(FULL), ENV)
    assert whole.missing == {} and whole.callable_platforms == whole.platforms


@pytest.mark.parametrize(
    "secret",
    [
        '"v1-${env:SECRET}"',
        '"${env:OLD}${env:SECRET}"',
        '{value: "v-${env:SECRET}", not_after: 2999-01-01}',
    ],
)
def test_a_secret_of_which_a_part_is_missing_is_none(write, secret):
    """What is left of it could be guessed."""
    text = (
        'version: 1\nsources: {g: {provider: github, secrets: [SECRET, "${env:KEY}"]}}\n'.replace(
            "[SECRET", f"[{secret}"
        )
    )
    config, _ = check(write(text), {"KEY": "k" * 40, "OLD": "o" * 40}, strict_secrets=False)
    assert config is not None and [one.value for one in config.sources["g"].secrets] == ["k" * 40]
    assert config.missing == {"sources.g": "environment variable SECRET is not set"}


def test_what_is_filled_in_is_never_read_again(write):
    evil = "x${env:OLD}${file:/etc/passwd}: [not yaml"
    config = load(write(FULL), ENV | {"SECRET": evil})
    assert config.sources["github"].secrets[0].value == evil


def test_secrets_come_from_files_too(write, tmp_path):
    (tmp_path / "s.txt").write_text("a-secret-from-a-file\r\n")
    text = (
        'version: 1\nsources: {g: {provider: github, secret: "${file:s.txt}"}, h: {provider:'
        ' github, secret: "${file:%s}"}}\n'
    )
    config = load(write(text % (tmp_path / "s.txt")), {})
    assert {source.secrets[0].value for source in config.sources.values()} == {
        "a-secret-from-a-file"
    }
    assert str(tmp_path / "s.txt") in config.files


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: no such file"), ("", "is empty"), ("\n", "is empty")],
)
def test_a_secret_file_that_is_not_there_or_empty_stops_the_load(write, tmp_path, content, message):
    if content is not None:
        (tmp_path / "s.txt").write_text(content)
    with pytest.raises(ConfigError, match=message):
        load(write('version: 1\nsources: {g: {provider: github, secret: "${file:s.txt}"}}\n'), {})


def test_no_problem_quotes_a_secret(write):
    secret = "hunter2"
    text = (
        "version: 1\nplatforms:\n  g: {type: gumloop, api_key: ['${env:S}'], user_id: '${env:S}',"
        " base_url: '${env:S}', project_id: 1}\n  h: {type: http, url: '${env:S}', method:"
        " '${env:S}', headers: {a b: '${env:S}'}, max_concurrent_runs: '${env:S}'}\n  t: {type:"
        " '${env:S}'}\nsources:\n  a: {provider: hmac, secret: '${env:S}', verify: {header:"
        " '${env:S} x', algorithm: '${env:S}', signed: '${env:S}{'}}\n  b: {provider: hmac, secret:"
        " {value: '${env:S}', x: 1}, verify: {header: X, key: hex}}\n  c: {provider: hmac, secret:"
        " '${env:S}', verify: {header: X, key: hex}}\n  d: {provider: basic, secret: '${env:S}'}\n "
        " e: {provider: hmac, secret: '${env:S}', verify: {header: X, signed: '${env:S}{'}}\n"
    )
    problems = check(write(text), {"S": secret})[1]
    assert len(problems) > 8
    assert not [str(problem) for problem in problems if secret in str(problem)]


# YAML


def test_yaml_is_read_as_version_1_2_and_dates_stay_texts(write):
    text = """\
version: 1
platforms: {local: {type: local}}
sources: {f: {provider: form}}
routes:
  - name: a
    on: f
    flow: local/echo
    inputs: {no: no, yes: yes, date: 2027-01-01, time: 12:30:00, octal: 012, float: 1e3, t: true, hex: 0x1F, quoted: "5",
             list: [~, 1.5]}
    match: {body.x: null}
"""
    inputs = load(write(text), {}).routes[0].reshape({})
    assert inputs == {
        "no": "no",
        "yes": "yes",
        "date": "2027-01-01",
        "time": "12:30:00",
        "octal": 12,
        "float": 1000.0,
        "t": True,
        "hex": 31,
        "quoted": "5",
        "list": [None, 1.5],
    }


def test_anchors_and_merges_can_be_used(write):
    text = """\
version: 1
platforms: {local: {type: local}}
sources: {f: {provider: form}}
routes:
  - &first {name: a, on: f, flow: local/echo, inputs: {x: 1}}
  - {<<: *first, name: b}
  - {name: c, <<: *first}
"""
    assert [(route.name, route.source) for route in load(write(text), {}).routes] == [
        ("a", "f"),
        ("b", "f"),
        ("c", "f"),
    ]


def test_a_flood_of_aliases_is_bounded(write):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)
    ]
    assert "200000 values" in "\n".join(map(str, check(write("\n".join(lines)), {})[1]))


def test_a_file_that_is_not_there_or_not_text_is_a_problem(tmp_path):
    assert "no such file" in str(check(tmp_path / "routes.yaml", {})[1][0])
    (tmp_path / "routes.yaml").write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in str(check(tmp_path / "routes.yaml", {})[1][0])
    assert "cannot read" in str(check(tmp_path, {})[1][0])


# the editor's schema


def test_the_committed_schema_is_that_of_the_models():
    committed = Path(bridge.config.loader.__file__).parent / "schema" / "routes.schema.json"
    assert committed.read_text() == schema_text(), "run docs/generate.py"


def _described(node, path=""):
    for name, each in node.get("properties", {}).items():
        yield f"{path}.{name}", each
    for name, each in node.get("$defs", {}).items():
        yield from _described(each, name)


def test_every_key_is_described():
    for path, each in _described(editor_schema()):
        assert each.get("description") or each.get("const"), path


def test_the_schema_takes_a_right_file_and_no_unknown_key(write):
    from bridge.config.problems import Report
    from bridge.config.yaml_reader import YamlFile, read_yaml
    from bridge.routing.schemas.validator import compile_schema

    schema = compile_schema(editor_schema())
    document = read_yaml(YamlFile("routes.yaml", FULL), Report("routes.yaml"))
    assert schema.errors(document) == []
    assert schema.errors(document | {"rutes": []}) != []
    assert (
        schema.errors(
            json.loads(json.dumps(document).replace('"flow": "triage"', '"flwo": "triage"'))
        )
        != []
    )


def test_keys_of_later_versions_are_not_keys_yet():
    models = {"routes": "Route", "sources": "Source", "flows": "Flow"}
    for section, later in UNAVAILABLE_KEYS.items():
        assert not set(editor_schema()["$defs"][models[section]]["properties"]) & later
    assert set(DocumentSchema.model_fields) == {
        "version",
        "include",
        "platforms",
        "sources",
        "flows",
        "routes",
        "retention",
    }


@pytest.mark.usefixtures("new_processes")
def test_starting_does_not_load_what_is_not_needed(write):
    file = write("version: 1\nplatforms: {local: {type: local}}\nsources: {f: {provider: form}}\n")
    program = (
        f"import sys; from bridge.config.loader import load; load({str(file)!r}, {{}}); assert"
        " 'jsonschema' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_hmac_can_read_a_list_of_labelled_signatures(write):
    text = """\
version: 1
sources:
  s: {provider: hmac, secret: "${env:SECRET}", verify: {header: X, label: v1, signed: "{t}.{body}", timestamp: {label: t}}}
"""
    assert load(write(text), ENV).sources["s"].scheme == Hmac(
        at="header:X", parse=Pairs("v1"), signed=("{t}.{body}",), timestamp=Timestamp("label:t")
    )


def test_the_rate_of_a_form_may_name_addresses(write):
    text = (
        "version: 1\nsources:\n  a: {provider: form, rate: 100/h and 5/min per address}\n  b:"
        " {provider: form, rate: 5/s}\n"
    )
    sources = load(write(text), {}).sources
    assert (sources["a"].rate, sources["a"].rate_per_address) == (
        Rate(count=100, per=3600.0),
        Rate(count=5, per=60.0),
    )
    assert (sources["b"].rate, sources["b"].rate_per_address) == (
        Rate(count=5, per=1.0),
        Rate(count=10, per=60.0),
    )


def test_a_local_platform_has_keys_and_its_flows_limits(write):
    digest = "ab" * 32
    text = f"""\
version: 1
platforms:
  local:
    type: local
    overflow: reject
    keys:
      - {{name: website, hash: "sha256:{digest}", user_id: web, flows: [contact, echo]}}
      - {{name: all, hash: "${{env:KEY_HASH}}"}}
      - {{name: few, hash: "sha256:{"ef" * 32}", flows: [echo]}}
  gumloop: {{type: gumloop, api_key: k, user_id: u}}
flows:
  contact: {{platform: local, saved_item_id: send_email, time_limit: 1.5m, memory: 256MB}}
  again: {{platform: local, saved_item_id: send_email, memory: 256000000}}
  other: {{platform: gumloop, saved_item_id: send_email}}
"""
    config = load(write(text), {"KEY_HASH": "SHA256:" + "CD" * 32})
    local = config.platforms["local"]
    gumloop = config.platforms["gumloop"]
    assert (local.overflow, gumloop.overflow, gumloop.keys) == ("reject", "queue", ())
    assert local.keys == (
        LocalKey(
            name="website", hash=digest, user_id="web", flows=frozenset({"send_email", "echo"})
        ),
        LocalKey(name="all", hash="cd" * 32, user_id=None, flows=None),
        LocalKey(name="few", hash="ef" * 32, user_id="key-few", flows=frozenset({"echo"})),
    )
    assert digest not in repr(local)
    limits = {name: (one.time_limit, one.memory) for name, one in config.flows.items()}
    assert limits == {
        "contact": (90.0, 256_000_000),
        "again": (None, 256_000_000),
        "other": (None, None),
    }
    assert (
        load(write("version: 1\nplatforms: {l: {type: local}}\n"), {}).platforms["l"].overflow
        == "queue"
    )


SIZES = [
    ("256MB", 256_000_000),
    ("1.5 GiB", 1_610_612_736),
    (2_000_000, 2_000_000),
    ("1024 gib", 1024**4),
]


@pytest.mark.parametrize(("text", "bytes_"), SIZES)
def test_memory_is_a_size(text, bytes_):
    assert units.parse_memory(text) == bytes_
