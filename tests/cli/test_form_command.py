"""`flowbridge form`, the forms that it prints, and thank-you pages of one's own at load."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bridge.cli.main import group
from bridge.config.loader import check
from bridge.core.errors import CompileError
from bridge.ingest.forms.custom_page import MAX_PAGE_CHARS, PAGE_VARIABLES, compile_page
from bridge.ingest.forms.spam.captchas import CAPTCHA_SERVICES

ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  contact-us:
    provider: form
    spam: {altcha: off}
    page: {submit: "Go {now} & <here>"}
    schema:
      type: object
      required: [name]
      properties:
        name: {type: string, minLength: 2, default: 'A "quoted" {name} </script>', title: "Na<me {x}"}
        topic: {enum: [a, b], default: b}
        text: {type: string, maxLength: 900, default: "two\\nlines {here}"}
        agree: {const: true}
        code: {type: string, pattern: "^[A-Z\\\\d]{2}$"}
  plain: {provider: form, page: {hosted: false, language: de}}
  github: {provider: github, secret: "${env:GITHUB_SECRET}"}
routes:
  - {name: a, on: contact-us, flow: local/echo}
"""


@pytest.fixture
def project(folder: Path) -> Path:
    (folder / "routes.yaml").write_text(ROUTES)
    return folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["form", *arguments], prog_name="flowbridge")


class Reader(HTMLParser):
    """The controls of a form: name -> attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, Any]] = {}
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("form", "input", "textarea", "select", "button"):
            self.found[given.get("name") or tag] = {"tag": tag, **given}
        if tag not in ("input", "meta"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_form_is_printed_for_where_the_bridge_is_reached(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 'action="http://127.0.0.1:8080/hooks/contact-us"' in run("contact-us").stdout
    assert "--url" in run("contact-us").stderr
    monkeypatch.setenv("FLOWBRIDGE_PUBLIC_URL", "https://hooks.example.net/")
    assert 'action="https://hooks.example.net/hooks/contact-us"' in run("contact-us").stdout
    assert "--url" not in run("contact-us").stderr
    assert (
        'action="https://other.example/hooks/contact-us"'
        in run("contact-us", "--url", "https://other.example").stdout
    )
    wrong = run("contact-us", "--url", "ftp://other.example")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "--url 'ftp://other.example' is not a valid URL: use one such as https" in wrong.stderr


def test_the_form_has_the_fields_of_the_schema_and_a_trap(project: Path) -> None:
    done = run("contact-us")
    assert done.exit_code == 0
    found = Reader(done.stdout).found
    assert list(found) == ["form", "name", "topic", "text", "agree", "code", "_gotcha", "button"]
    assert found["form"]["method"] == "post"
    assert found["name"]["value"] == 'A "quoted" {name} </script>'
    assert (found["agree"]["type"], "required" in found["agree"]) == ("checkbox", True)
    assert found["code"]["pattern"] == r"[A-Z\d]{2}"
    assert found["_gotcha"]["tabindex"] == "-1"


def test_without_a_schema_it_is_an_example_and_says_so(project: Path) -> None:
    done = run("plain")
    assert list(Reader(done.stdout).found) == [
        "form",
        "name",
        "email",
        "message",
        "_gotcha",
        "button",
    ]
    assert "example" in done.stderr
    assert "Nachricht" in done.stdout
    assert "Message" in run("plain", "--language", "en").stdout
    assert "/forms/" not in done.stderr  # it is not hosted


def test_plain_is_html(project: Path) -> None:
    assert run("contact-us", "--as", "plain").stdout == run("contact-us").stdout
    assert json.loads(run("contact-us", "--as", "plain", "--json").stdout)["as"] == "html"


def test_json(project: Path) -> None:
    said = json.loads(
        run("contact-us", "--as", "fetch", "--url", "https://h.example", "--json").stdout
    )
    assert list(said) == ["source", "as", "action", "hosted", "example", "text"]
    assert (said["as"], said["hosted"], said["example"]) == (
        "fetch",
        "https://h.example/forms/contact-us",
        False,
    )
    assert said["text"].endswith("</script>")
    assert json.loads(run("plain", "--json").stdout)["hosted"] is None


@pytest.mark.parametrize(
    ("name", "said"), [("github", "is not a form"), ("contact", "is not a source")]
)
def test_what_is_no_form_is_said_with_what_is(project: Path, name: str, said: str) -> None:
    done = run(name)
    assert (done.exit_code, done.stdout) == (1, "")
    assert said in done.stderr
    assert "contact-us, plain" in done.stderr


def test_nothing_of_the_schema_ends_the_script_or_the_component(project: Path) -> None:
    fetch = run("contact-us", "--as", "fetch").stdout
    react = run("contact-us", "--as", "react").stdout
    assert fetch.count("</script>") == 1
    assert "export function ContactUsForm()" in react
    assert 'defaultValue={"two\\nlines {here}"}' in react
    assert (
        '<select id="contact-us-topic" name="topic" aria-invalid={faults["topic"] ? true :'
        ' undefined} defaultValue={"b"}>' in react
    )
    assert react.count("aria-invalid") == 5, "of each field, and of nothing that is hidden"
    for text in (fetch, react):
        assert '"name": "Na\\u003cme {x}"' in text
    assert re.search(r'Na\{"<"\}me \{"\{"\}x\{"\}"\}', react)
    assert "</script>" not in react


NODE_MODULES = os.environ.get("FLOWBRIDGE_FORM_MODULES", "")
RENDER = """
const { buildSync } = require("esbuild");
const out = buildSync({ entryPoints: [process.argv[2]], bundle: true, write: false, format: "cjs", jsx: "automatic", platform: "node",
                        external: ["react", "react/jsx-runtime"] });
const module_ = { exports: {} };
new Function("module", "exports", "require", out.outputFiles[0].text)(module_, module_.exports, require);
const { createElement } = require("react");
process.stdout.write(require("react-dom/server").renderToStaticMarkup(createElement(module_.exports.ContactUsForm)));
"""


@pytest.mark.usefixtures("new_processes")
@pytest.mark.skipif(
    not NODE_MODULES or not shutil.which("node"),
    reason="FLOWBRIDGE_FORM_MODULES has no react and esbuild",
)
@pytest.mark.parametrize("captcha", [None, "", ", site_key: k"])
def test_react_renders_the_same_form(project: Path, captcha: str | None) -> None:
    """Its own compiler and renderer read the component, and make of it what the plain form is."""
    if captcha is not None:
        with_captcha(project, "recaptcha_v3", captcha)
    (project / "Form.jsx").write_text(run("contact-us", "--as", "react").stdout)
    (project / "render.cjs").write_text(RENDER)
    done = subprocess.run(
        ["node", "render.cjs", str(project / "Form.jsx")],
        cwd=project,
        env={**os.environ, "NODE_PATH": NODE_MODULES},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    plain = Reader(run("contact-us").stdout)
    rendered = Reader(done.stdout)
    assert list(rendered.found) == list(plain.found)
    for name, attributes in plain.found.items():
        spare = {
            "_gotcha": {"style"},
            "button": {"hidden", "disabled", "data-needs-script", "data-busy"},
        }.get(name, set())
        own = {key: value or "" for key, value in rendered.found[name].items() if key not in spare}
        assert own == {key: value or "" for key, value in attributes.items() if key not in spare}, (
            name
        )
    assert "Na&lt;me {x}" in done.stdout
    assert "Go {now} &amp; &lt;here&gt;" in done.stdout
    assert ">two\nlines {here}</textarea>" in done.stdout
    assert '<option value="b" selected="">' in done.stdout


# -- the widget of a captcha

WIDGETS = {
    "turnstile": (
        '<div class="cf-turnstile" data-sitekey="k-1_2"></div>',
        "https://challenges.cloudflare.com/turnstile/v0/api.js",
    ),
    "hcaptcha": (
        '<div class="h-captcha" data-sitekey="k-1_2"></div>',
        "https://js.hcaptcha.com/1/api.js",
    ),
    "recaptcha_v2": (
        '<div class="g-recaptcha" data-sitekey="k-1_2"></div>',
        "https://www.google.com/recaptcha/api.js",
    ),
    "recaptcha_v3": (
        '<input type="hidden" name="g-recaptcha-response">',
        "https://www.google.com/recaptcha/api.js?render=k-1_2",
    ),
}


def test_every_captcha_has_its_widget_here() -> None:
    assert list(WIDGETS) == list(CAPTCHA_SERVICES)


def with_captcha(folder: Path, kind: str, more: str = ", site_key: k-1_2") -> None:
    captcha = f"spam: {{captcha: {{kind: {kind}, secret: x{more}}}}}"
    (folder / "routes.yaml").write_text(ROUTES.replace("spam: {altcha: off}", captcha))


@pytest.mark.parametrize("kind", WIDGETS)
def test_the_widget_of_a_captcha_is_written_with_its_key(folder: Path, kind: str) -> None:
    with_captcha(folder, kind)
    widget, script = WIDGETS[kind]
    for form in ("html", "fetch"):
        done = run("contact-us", "--as", form)
        assert widget in done.stdout and f'<script src="{script}" defer></script>' in done.stdout
        assert "altcha" not in done.stdout
        assert ('grecaptcha.execute("k-1_2", { action: "submit" })' in done.stdout) is (
            kind == "recaptcha_v3"
        )
        assert "site_key" not in done.stderr + done.stdout
    react = run("contact-us", "--as", "react").stdout
    assert f'script.src = "{script}"' in react
    assert ("grecaptcha.execute" in react) is (kind == "recaptcha_v3")
    with_captcha(folder, kind, ", action: send, site_key: k-1_2")
    assert ('data-action="send"' in run("contact-us").stdout) is (kind != "recaptcha_v3")


@pytest.mark.parametrize("kind", WIDGETS)
def test_where_the_widget_goes_is_said_without_its_key(folder: Path, kind: str) -> None:
    with_captcha(folder, kind, "")
    for form in ("html", "fetch", "react"):
        done = run("contact-us", "--as", form)
        title = CAPTCHA_SERVICES[kind].title
        assert (
            f" Set `site_key` in routes.yaml to insert the widget of {title} here. " in done.stdout
        )
        assert "`site_key` under `captcha`" in done.stderr
        assert CAPTCHA_SERVICES[kind].script.partition("?")[0] not in done.stdout


@pytest.mark.parametrize("key", ["a b", "'\"><script>'", "''"])
def test_what_is_no_key_is_refused(folder: Path, key: str) -> None:
    with_captcha(folder, "turnstile", f", site_key: {key}")
    assert run("contact-us").exit_code == 2


# -- forms that need JavaScript

NEEDY = (
    "altcha: required",
    "token: required",
    "captcha: {kind: turnstile, secret: x, site_key: k}",
    "captcha: {kind: recaptcha_v3, secret: x, site_key: k}",
)
EASY = (
    "altcha: off",
    "altcha: optional",
    "captcha: {kind: turnstile, secret: x}",
    "altcha: off, token: optional",
)


@pytest.mark.parametrize("spam", [*NEEDY, *EASY])
@pytest.mark.parametrize("kind", ["html", "fetch"])
def test_a_form_that_needs_javascript_has_no_usable_button_without_it(
    folder: Path, spam: str, kind: str
) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("{altcha: off}", f"{{{spam}}}"))
    text = run("contact-us", "--as", kind).stdout
    button = Reader(text).found["button"]
    for attribute in ("hidden", "disabled"):
        assert (attribute in button) is (spam in NEEDY)
    assert ("<noscript><p>Please enable JavaScript to send this form.</p></noscript>" in text) is (
        spam in NEEDY
    )
    assert ("data-needs-script]" in text) is (spam in NEEDY and "captcha" in spam), (
        "else the script of the bridge shows it"
    )


@pytest.mark.parametrize("spam", [*NEEDY, *EASY])
def test_the_component_says_by_itself_that_it_is_busy(folder: Path, spam: str) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("{altcha: off}", f"{{{spam}}}"))
    react = run("contact-us", "--as", "react", "--language", "fr").stdout
    assert (
        '<button type="submit" disabled={busy} aria-busy={busy || undefined}>{busy ? "Envoi en'
        ' cours…" : "Go {now} ' in react
    )
    assert "noscript" not in react and "data-needs-script" not in react and "data-busy" not in react


# -- a thank-you page of one's own


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<p>\n{{ form.name", "thanks.html:2: unexpected end of template"),
        ("{{ form.name|safe }}", "No filter named 'safe'"),
        ("{{ form|tojson }}", "No filter named 'tojson'"),
        (
            "\n\n{% autoescape false %}{{ form.name }}{% endautoescape %}",
            "thanks.html:3: `autoescape` cannot be changed",
        ),
        ("{% include 'x.html' %}", "thanks.html:1: a page is one file"),
        ("{% extends 'x.html' %}", "a page is one file"),
        ("{% import '/etc/passwd' as x %}", "a page is one file"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ form.update({'a': 1}) }}", "unsafe"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{% for n in range(1000000) %}x{% endfor %}", "OverflowError"),
        (
            "{% for n in range(99999) %}xxxxxxxxxxxxxxx{% endfor %}",
            f"more than {MAX_PAGE_CHARS} characters",
        ),
    ],
)
def test_what_is_wrong_with_a_page_is_said_at_load(folder: Path, text: str, said: str) -> None:
    (folder / "thanks.html").write_text(text)
    written = ROUTES.replace("hosted: false", "hosted: true, thanks_template: thanks.html")
    (folder / "routes.yaml").write_text(written)
    config, problems = check(folder / "routes.yaml", {"GITHUB_SECRET": "x" * 20})
    assert config is None
    (problem,) = [one for one in problems if one.level == "error"]
    assert problem.path == "sources.plain.page.thanks_template"
    assert said in problem.message


@pytest.mark.parametrize(
    ("name", "said"),
    [("none.html", "cannot read"), ("../out.html", "leads out of"), ("/etc/passwd", "leads out")],
)
def test_a_page_is_a_file_of_the_folder(folder: Path, name: str, said: str) -> None:
    (folder / "routes.yaml").write_text(ROUTES.replace("hosted: false", f"thanks_template: {name}"))
    _, problems = check(folder / "routes.yaml", {"GITHUB_SECRET": "x" * 20})
    assert [said in one.message for one in problems if one.level == "error"] == [True]


def test_a_page_is_part_of_the_configuration(folder: Path) -> None:
    (folder / "routes.yaml").write_text(
        ROUTES.replace("hosted: false", "thanks_template: ./thanks.html")
    )
    hashes = set()
    for text in ("One {{ form.a }}", "Two {{ form.a }}"):
        (folder / "thanks.html").write_text(text)
        config, _ = check(folder / "routes.yaml", {"GITHUB_SECRET": "x" * 20})
        assert config is not None
        assert any(name.endswith("thanks.html") for name in config.files)
        hashes.add(config.hash)
    assert len(hashes) == 2


def test_a_page_gets_what_is_said_of_it_and_escapes_all_of_it() -> None:
    page = compile_page("|".join(f"{{{{ {name} }}}}" for name in PAGE_VARIABLES), "x.html")
    values = {name: f"<{name}>" for name in PAGE_VARIABLES}
    assert page.render(values) == "|".join(f"&lt;{name}&gt;" for name in PAGE_VARIABLES)
    assert compile_page("{{ form.a.b.c }}{{ nothing }}", "x.html").render({"form": {}}) == ""


@pytest.mark.parametrize("value", [[1], {"a": 1}, 10**400, "x" * MAX_PAGE_CHARS, None])
def test_no_submission_breaks_more_than_the_page(value: object) -> None:
    page = compile_page(
        "{{ form.x ~ form.y }}{% if form.x %}{{ form.x.strip() + 1 }}{% endif %}", "x.html"
    )
    with suppress(CompileError):
        page.render({"form": {"x": value}})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("on_error: elsewhere", "found `elsewhere`; allowed: page, back, or a URL"),
        ("on_error: javascript://x", "needs a URL that begins with https:// or http://"),
        ("redirect: https://user@example.com/", "needs a URL"),
        ("redirect: 'https://example.com/\\x'", "needs a URL"),
        ("page: {titel: x}", "unknown key `titel`; did you mean `title`"),
        ("page: {language: it}", "found `it`"),
        ("page: {embed_in: ['*']}", "needs an origin"),
        ("page: {title: ''}", "must not be empty"),
        ("page: true", "needs a mapping"),
    ],
)
def test_what_is_wrong_with_the_keys_of_a_form(folder: Path, keys: str, said: str) -> None:
    (folder / "routes.yaml").write_text(
        f"version: 1\nsources:\n  f:\n    provider: form\n    {keys}\n"
    )
    _, problems = check(folder / "routes.yaml", {})
    assert any(said in str(one) for one in problems), problems
