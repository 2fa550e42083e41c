"""Forms in a real browser: Debian's Chromium through Playwright, on pages of another origin and on
our own; axe-core looks at ours.

tests/support/browsers.py says which browser, and what to set.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import browsers
import pytest
from browsers import AXE, IS_WHOLE_MATRIX, take_picture
from forms import PNG, SVG
from serving import Bridge, free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

WIDTHS = (320, 390, 1280) if IS_WHOLE_MATRIX else (390,)
SCHEMES = ("light", "dark") if IS_WHOLE_MATRIX else ("light",)

ANY = "rate: 10000/min and 10000/min per address"
FREE = f"{ANY}, spam: {{min_fill: 1ms, altcha_work: 1000, duplicates: keep}}"
ROUTES = """
version: 1
platforms:
  local: {type: local}
sources:
  contact:
    provider: form
    rate: 10000/min and 10000/min per address
    spam: {min_fill: 1ms, altcha_work: 1000, duplicates: keep}
    page: {title: Write to us, intro: We answer within two days., thanks: We have your message., embed_in: ["SITE"]}
    schema:
      type: object
      required: [name, email, message, topic, agree]
      properties:
        name: {type: string, minLength: 2, maxLength: 80, title: Your name}
        email: {type: string, format: email, title: E-mail, description: Only for our answer.}
        phone: {type: string, pattern: "^[0-9 +]{5,20}$", description: Digits and spaces}
        topic: {enum: [Sales, Support], title: Topic}
        seats: {type: integer, minimum: 1, maximum: 20}
        day: {type: string, format: date}
        tags: {type: array, items: {enum: [red, green, blue]}, maxItems: 2, title: Colours}
        message: {type: string, minLength: 10, maxLength: 5000}
        news: {type: boolean, title: Send me news}
        agree: {const: true, title: I agree to the terms}
  strict: {provider: form, FREE, allowed_origins: ["SITE"], redirect: "SITE/thanks.html",
           schema: {type: object, required: [name], properties: {name: {type: string, minLength: 2}}}}
  shut: {provider: form, FREE, allowed_origins: ["https://example.com"]}
  plain: {provider: form, FREE}
  cards: {provider: form, FREE, files: {types: [image, text], max: 3, max_size: 100 KiB}, schema: {required: [card], properties: {
          name: {type: string}, card: {type: string, format: binary, title: Your card}, "more": {type: array, items: {format: binary}}}}}
  usual: {provider: form, ANY, schema: {required: [name], properties: {
          name: {type: string}, tags: {type: array, items: {enum: [red, green, blue]}, maxItems: 1}}}}
  scored: {provider: form, ANY, schema: {properties: {name: {type: string}}}, spam: {captcha: {
           kind: recaptcha_v3, secret: x, url: "http://127.0.0.1:1/", unreachable: pass, site_key: the-key, action: send}}}
  captcha: {provider: form, ANY, spam: {altcha_work: 1000, captcha: {kind: hcaptcha, secret: x, url: "http://127.0.0.1:1/"}},
            schema: {properties: {name: {type: string}, tags: {type: array, items: {enum: [red, blue]}, maxItems: 1}}}}
  guarded: {provider: form, ANY, spam: {altcha: required, token: required, altcha_work: 1000}}
  long: {provider: form, ANY, spam: {altcha: required, token: required, altcha_work: 1000, min_fill: 1h}}
routes:
  - {name: contact, on: contact, flow: local/echo}
  - {name: strict, on: strict, flow: local/echo}
  - {name: plain, on: plain, flow: local/echo}
  - {name: cards, on: cards, flow: local/echo}
  - {name: usual, on: usual, flow: local/echo}
  - {name: scored, on: scored, flow: local/echo}
  - {name: captcha, on: captcha, flow: local/echo}
  - {name: guarded, on: guarded, flow: local/echo}
  - {name: long, on: long, flow: local/echo}
"""
PAGES = {
    "strict.html": (
        "strict",
        '<input name="name"><input type="hidden" name="_next" value="/next.html">',
    ),
    "plain.html": ("plain", '<input name="name"><textarea name="text"></textarea>'),
    "away.html": (
        "plain",
        (
            '<input name="name" value="x"><input type="hidden" name="_next"'
            ' value="https://evil.example/">'
        ),
    ),
    "shut.html": ("shut", '<input name="name" value="x">'),
    "hidden.html": (
        "strict",
        '<meta name="referrer" content="no-referrer"><input name="name" value="Ann">',
    ),
    "cards.html": (
        "cards",
        (
            '<input name="name" value="Ann"><input type="file" name="card"><input type="file"'
            ' name="more[]" multiple>'
        ),
    ),
    "file.html": ("plain", '<input name="name" value="Ann"><input type="file" name="cv">'),
    "wrong.html": (
        "contact",
        (
            '<input name="name" value="A"><input name="email" value="nope"><input name="tags"'
            ' value="red"><input name="message"'
            ' value="&lt;script&gt;document.title=1&lt;/script&gt;">'
        ),
    ),
}
OTHERS = {
    "frame.html": '<iframe src="BRIDGE/forms/contact" width="400" height="800"></iframe>',
    "no-frame.html": '<iframe src="BRIDGE/forms/plain" width="400" height="800"></iframe>',
    "next.html": "<h1>Next</h1>",
    "thanks.html": "<h1>Thanks</h1>",
}
FORM = (
    '<form method="post" enctype="ENCTYPE"'
    ' action="BRIDGE/hooks/SOURCE">INPUTS<button>Send</button></form>'
)


def page_of(source: str, inputs: str) -> str:
    kind = "multipart/form-data" if 'type="file"' in inputs else "application/x-www-form-urlencoded"
    return FORM.replace("ENCTYPE", kind).replace("SOURCE", source).replace("INPUTS", inputs)


class Quiet(SimpleHTTPRequestHandler):
    """Serves the pages of the other site, and logs nothing."""

    def log_message(self, *_: Any) -> None:
        return


class Site:
    """A static site on an origin of its own, and the bridge that its forms are sent to."""

    def __init__(self, bridge: Bridge, url: str, folder: Path) -> None:
        self.bridge = bridge
        self.url = url
        self.folder = folder

    @property
    def hooks(self) -> str:
        return f"http://127.0.0.1:{self.bridge.port}"

    def newest(self) -> Any:
        """The newest event, with its deliveries."""
        with self.bridge.database.read() as connection:
            event_id = connection.exec_driver_sql(
                "SELECT id FROM event ORDER BY id DESC LIMIT 1"
            ).scalar()
        return self.bridge.found(str(event_id))

    def last(self) -> Any:
        """What the flow was given of it."""
        return self.newest().deliveries[0].inputs


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    # another host: another origin, and another site for cookies
    url = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    port = free_port()
    routes = ROUTES.replace("FREE", FREE).replace("ANY", ANY).replace("SITE", url)
    try:
        with Bridge(tmp_path_factory.mktemp("bridge"), "web", routes=routes, port=port) as bridge:
            for name, text in {
                **OTHERS,
                **{name: page_of(*form) for name, form in PAGES.items()},
            }.items():
                (folder / name).write_text(
                    f"<!doctype html><title>{name}</title>"
                    + text.replace("BRIDGE", f"http://127.0.0.1:{port}")
                )
            yield Site(bridge, url, folder)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


@pytest.fixture(scope="module")
def browser(new_processes: None) -> Iterator[Browser]:
    with browsers.open_browser() as launched:
        yield launched


Open = Callable[..., "Page"]


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Give what opens a URL in a fresh context. A page that logs an error (a blocked style or
    script) fails the test, unless it says that something is to be `blocked`.
    """
    contexts: list[BrowserContext] = []
    said: list[str] = []

    def open_(
        url: str,
        *,
        width: int = 1280,
        scheme: str = "light",
        javascript: bool = True,
        locale: str = "en-GB",
        blocked: bool = False,
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            java_script_enabled=javascript,
            locale=locale,
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        if not blocked:
            page.on(
                "console",
                lambda message: said.append(message.text) if message.type == "error" else None,
            )
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    unexpected = [
        text for text in said if "Failed to load resource" not in text and "favicon" not in text
    ]
    assert unexpected == []


def press(page: Page) -> None:
    """Press the button and wait for the page that follows."""
    with page.expect_navigation():
        page.locator("button").click()


def fill_in(page: Page) -> None:
    page.get_by_label("Your name").fill("Ann Ångström")
    page.get_by_label("E-mail").fill("ann@example.com")
    page.get_by_label("Topic").select_option("Support")
    page.get_by_label("Seats").fill("3")
    page.get_by_label("green").check()
    page.get_by_label("Message").fill("Two lines,\nwith “signs” & <tags>.")
    page.get_by_label("I agree").check()


FILLED_IN = {
    "name": "Ann Ångström",
    "email": "ann@example.com",
    "topic": "Support",
    "seats": 3,
    "tags": ["green"],
    "agree": True,
    "message": "Two lines,\r\nwith “signs” & <tags>.",
}


# -- a form on another site


def test_a_plain_form_of_another_site_is_thanked(site: Site, opened: Open) -> None:
    page = opened(f"{site.url}/plain.html")
    page.locator("[name=name]").fill("Ann <b>")
    press(page)
    assert page.url == f"{site.hooks}/hooks/plain"
    assert page.get_by_role("heading").inner_text() == "Thank you"
    assert page.get_by_role("status").inner_text() == "Your message has been received."
    assert site.last()["name"] == "Ann <b>"


def test_the_form_leads_back_to_its_own_site_by_next(site: Site, opened: Open) -> None:
    page = opened(f"{site.url}/strict.html")
    page.locator("[name=name]").fill("Ann")
    press(page)
    assert page.url == f"{site.url}/next.html"


def test_after_a_mistake_the_form_still_leads_there(site: Site, opened: Open) -> None:
    """From our own page, which is another origin than the site: through its
    Content-Security-Policy, and past the list of sites.
    """
    page = opened(f"{site.url}/strict.html")
    page.locator("[name=name]").fill("A")
    press(page)
    assert page.url == f"{site.hooks}/hooks/strict"
    page.get_by_label("Name").fill("Ann")
    page.locator("form").evaluate("form => form.noValidate = true")
    press(page)
    assert page.url == f"{site.url}/next.html"


def test_a_redirect_to_a_strange_site_is_not_followed(site: Site, opened: Open) -> None:
    page = opened(f"{site.url}/away.html")
    press(page)
    assert page.url == f"{site.hooks}/hooks/plain"
    assert page.get_by_role("heading").inner_text() == "Thank you"


def test_a_site_that_is_not_listed_is_refused_and_nothing_kept(site: Site, opened: Open) -> None:
    before = site.bridge.count()
    page = opened(f"{site.url}/shut.html")
    press(page)
    assert (
        page.get_by_role("alert")
        .inner_text()
        .endswith("This form cannot be sent from this website.")
    )
    assert site.bridge.count() == before


def test_a_page_that_hides_where_it_is_counts_as_another_site(site: Site, opened: Open) -> None:
    page = opened(f"{site.url}/hidden.html")
    press(page)
    assert "cannot be sent from this website" in page.get_by_role("alert").inner_text()


def test_a_file_is_sent_or_refused_in_words(site: Site, opened: Open, tmp_path: Path) -> None:
    (tmp_path / "cv.pdf").write_bytes(b"%PDF-1.4 test")
    page = opened(f"{site.url}/file.html")
    press(page)  # no file chosen: a browser sends an empty part all the same
    assert page.get_by_role("heading").inner_text() == "Thank you"
    page = opened(f"{site.url}/file.html", locale="de-DE")
    page.locator("[name=cv]").set_input_files(str(tmp_path / "cv.pdf"))
    press(page)
    assert (
        page.get_by_role("alert").inner_text().endswith("Dieses Formular nimmt keine Dateien an.")
    )


def test_files_of_a_browser_are_kept_or_asked_for_again(
    site: Site, opened: Open, tmp_path: Path
) -> None:
    """With the names that people give them; what is wrong is said beside the field, in their
    language.
    """
    for name, content in (
        ("Zoës Karte (1).png", PNG),
        ("note.txt", b"a note"),
        ("evil.svg", SVG),
        ("big.png", PNG + bytes(200_000)),
    ):
        (tmp_path / name).write_bytes(content)
    page = opened(f"{site.url}/cards.html", locale="de-DE")
    page.locator("[name=card]").set_input_files(str(tmp_path / "evil.svg"))
    press(page)
    said = page.locator("#cards-card-error").inner_text()
    assert said == "evil.svg: Dieser Dateityp ist nicht erlaubt. Erlaubt sind: Bilder, Text."
    assert page.locator("[name=name]").input_value() == "Ann"
    page.locator("[name=card]").set_input_files(str(tmp_path / "big.png"))
    press(page)
    assert (
        page.locator("#cards-card-error").inner_text()
        == "big.png ist zu groß. Erlaubt sind höchstens 100 KiB."
    )
    page.locator("[name=card]").set_input_files(str(tmp_path / "Zoës Karte (1).png"))
    press(page)
    assert page.get_by_role("heading").inner_text() == "Vielen Dank"
    page = opened(f"{site.url}/cards.html")
    page.locator("[name=card]").set_input_files(str(tmp_path / "Zoës Karte (1).png"))
    page.locator("[name='more[]']").set_input_files(
        [str(tmp_path / "note.txt"), str(tmp_path / "Zoës Karte (1).png")]
    )
    press(page)
    assert "Thank you" in page.content(), page.get_by_role("alert").inner_text()
    files = site.newest().event.files
    assert [(one.field, one.name, one.type) for one in files] == [
        ("card", "Zoës Karte (1).png", "image/png"),
        ("more", "note.txt", "text/plain"),
        ("more", "Zoës Karte (1).png", "image/png"),
    ]
    assert [one["name"] for one in site.last()["more"]] == ["note.txt", "Zoës Karte (1).png"]


def test_fetch_reads_the_answer_from_another_origin(site: Site, opened: Open) -> None:
    page = opened(f"{site.url}/next.html", blocked=True)
    ask = """async ([url, headers]) => {
        const body = new FormData(); body.append("name", "A"); body.append("topic", "Sales");
        const response = await fetch(url, {method: "POST", headers, body});
        return [response.status, await response.json()];
    }"""
    status, answer = page.evaluate(ask, [f"{site.hooks}/hooks/contact", {}])
    assert (status, answer["ok"]) == (422, False)
    assert answer["fields"]["name"] == "Please enter at least 2 characters."
    status, answer = page.evaluate(
        ask,
        [
            f"{site.hooks}/hooks/plain",
            {"X-Requested-With": "XMLHttpRequest", "Accept": "application/json"},
        ],
    )
    assert (status, answer["ok"]) == (202, True)  # after a preflight
    assert site.last() == {"name": "A", "topic": "Sales"}
    with pytest.raises(Exception, match="Failed to fetch"):
        page.evaluate(ask, [f"{site.hooks}/hooks/shut", {"X-Requested-With": "x"}])


def printed(site: Site, *arguments: str, name: str = "contact") -> str:
    from click.testing import CliRunner

    from bridge.cli.main import group

    done = CliRunner().invoke(
        group, ["--config", str(site.bridge.config), "form", name, "--url", site.hooks, *arguments]
    )
    assert done.exit_code == 0
    return done.stdout


def test_the_printed_form_works_in_a_page_of_another_site(site: Site, opened: Open) -> None:
    (site.folder / "printed.html").write_text(f"<!doctype html><title>x</title>{printed(site)}")
    page = opened(f"{site.url}/printed.html", javascript=False)
    assert not page.locator("[name=_gotcha]").is_visible()
    fill_in(page)
    press(page)
    assert page.get_by_role("status").inner_text() == "We have your message."
    assert site.last() == FILLED_IN


def test_the_printed_form_with_fetch_stays_on_its_page(site: Site, opened: Open) -> None:
    (site.folder / "fetch.html").write_text(
        f"<!doctype html><title>x</title>{printed(site, '--as', 'fetch')}"
    )
    page = opened(f"{site.url}/fetch.html")
    fill_in(page)
    page.locator("form").evaluate("form => form.noValidate = true")
    page.get_by_label("Seats").fill("99")
    page.locator("button").click()
    page.get_by_role("status").filter(has_text="Please enter 20 or less.").wait_for()
    assert "Seats: Please enter 20 or less." in page.get_by_role("status").inner_text()
    assert (
        page.get_by_label("Seats").evaluate("one => one.validationMessage")
        == "Please enter 20 or less."
    )
    assert page.locator("[aria-invalid]").evaluate_all("all => all.map(one => one.name)") == [
        "seats"
    ]
    page.get_by_label("Seats").fill("3")
    assert page.locator("[aria-invalid]").count() == 0
    page.locator("button").click()
    page.get_by_role("status").filter(has_text="We have your message.").wait_for()
    assert page.url == f"{site.url}/fetch.html"
    assert page.get_by_label("Your name").input_value() == ""
    assert site.last() == FILLED_IN
    fill_in(page)  # and once more: with a token and a solution of its own
    page.get_by_label("Your name").fill("Bob")
    page.get_by_role("status").evaluate("status => { status.textContent = ''; }")
    page.locator("button").click()
    page.get_by_role("status").filter(has_text="We have your message.").wait_for()
    assert site.last() == {**FILLED_IN, "name": "Bob"}


def test_a_fault_of_several_boxes_is_mended_by_one_of_them(site: Site, opened: Open) -> None:
    (site.folder / "boxes.html").write_text(
        f"<!doctype html><title>x</title>{printed(site, '--as', 'fetch')}"
    )
    page = opened(f"{site.url}/boxes.html")
    fill_in(page)
    page.get_by_label("red").check()
    page.get_by_label("blue").check()
    page.locator("button").click()
    page.get_by_role("status").filter(
        has_text="Colours: Please select at most 2 options."
    ).wait_for()
    page.get_by_label("blue").uncheck()
    page.locator("button").click()
    page.get_by_role("status").filter(has_text="We have your message.").wait_for()
    assert site.last()["tags"] == ["red", "green"]


BUNDLE = """require("esbuild").buildSync({
    stdin: { contents: process.argv[1], loader: "jsx", resolveDir: process.argv[2] }, bundle: true, jsx: "automatic",
    outfile: process.argv[3], define: { "process.env.NODE_ENV": '"production"' } });"""
SHOWN = (
    "import { createRoot } from"
    ' "react-dom/client";\ncreateRoot(document.getElementById("here")).render(<ContactForm />);\n'
)


@pytest.mark.skipif(not AXE.is_file(), reason="FLOWBRIDGE_FORM_MODULES has no react and esbuild")
def test_the_component_says_what_is_wrong_with_which_field(site: Site, opened: Open) -> None:
    component = printed(site, "--as", "react") + SHOWN
    subprocess.run(
        ["node", "-e", BUNDLE, component, str(AXE.parent), str(site.folder / "react.js")],
        timeout=60,
        check=True,
        env={**os.environ, "NODE_PATH": str(AXE.parent.parent)},
    )
    (site.folder / "react.html").write_text(
        '<!doctype html><title>x</title><div id="here"></div><script src="react.js"></script>'
    )
    page = opened(f"{site.url}/react.html")
    fill_in(page)
    page.locator("form").evaluate("form => form.noValidate = true")
    page.get_by_label("Seats").fill("99")
    page.locator("button").click()
    page.get_by_role("status").filter(has_text="Some answers need your attention.").wait_for()
    assert page.get_by_role("status").get_by_role("listitem").all_inner_texts() == [
        "Seats: Please enter 20 or less."
    ]
    assert page.locator("[aria-invalid]").evaluate_all("all => all.map(one => one.name)") == [
        "seats"
    ]
    page.get_by_label("Seats").fill("3")
    page.locator("button").click()
    page.get_by_role("status").filter(has_text="We have your message.").wait_for()
    assert page.locator("[aria-invalid]").count() == 0
    assert site.last() == FILLED_IN


# -- the hosted form


@pytest.mark.parametrize("javascript", [True, False])
def test_the_hosted_form_is_sent(site: Site, opened: Open, javascript: bool) -> None:
    page = opened(f"{site.hooks}/forms/contact", javascript=javascript)
    fill_in(page)
    press(page)
    assert page.get_by_role("status").inner_text() == "We have your message."
    assert site.last() == FILLED_IN
    page.get_by_role("link", name="Back to the form").click()
    page.wait_for_url("**/forms/contact")


def test_the_browser_itself_asks_for_what_is_missing(site: Site, opened: Open) -> None:
    before = site.bridge.count()
    page = opened(f"{site.hooks}/forms/contact")
    page.get_by_label("Your name").fill("A")
    page.locator("button").click()
    assert page.url.endswith("/forms/contact")
    invalid = page.locator(":invalid:not(form):not(fieldset)").evaluate_all(
        "all => all.map(one => one.name)"
    )
    assert invalid == ["name", "email", "topic", "message", "agree"]
    assert site.bridge.count() == before


def tab_to(page: Page, name: str) -> None:
    """Go on by the Tab key to the field of a name, or to what says so; a date takes several
    steps.
    """
    passed = []
    for _ in range(8):
        page.keyboard.press("Tab")
        passed.append(
            page.evaluate("document.activeElement.name || document.activeElement.textContent")
        )
        assert passed[-1] != "_gotcha"
        if passed[-1] == name:
            return
    pytest.fail(f"{name} is not reached: {passed}")


def test_the_form_is_filled_in_and_sent_by_keyboard_alone(site: Site, opened: Open) -> None:
    page = opened(f"{site.hooks}/forms/contact")
    for name, keys in {
        "name": "Ann",
        "email": "ann@example.com",
        "topic": "Sal",
        "seats": "4",
        "message": "By keyboard alone.",
    }.items():
        tab_to(page, name)
        page.keyboard.type(keys)
    tab_to(page, "agree")
    page.keyboard.press("Space")
    tab_to(page, "Send")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.get_by_role("status").inner_text() == "We have your message."
    sent = {
        "name": "Ann",
        "email": "ann@example.com",
        "topic": "Sales",
        "seats": 4,
        "message": "By keyboard alone.",
        "agree": True,
    }
    assert site.last() == sent


@pytest.mark.parametrize("javascript", [True, False])
def test_what_is_wrong_is_announced_and_what_was_typed_is_there(
    site: Site, opened: Open, javascript: bool
) -> None:
    page = opened(f"{site.url}/wrong.html", javascript=javascript)
    press(page)
    assert page.title() == "Not sent yet: Write to us"
    assert page.get_by_label("Your name").input_value() == "A"
    assert page.get_by_label("E-mail").input_value() == "nope"
    assert page.get_by_label("Message").input_value() == "<script>document.title=1</script>"
    assert page.get_by_label("red").is_checked()
    field = page.locator("#contact-email")
    assert field.get_attribute("aria-invalid") == "true"
    assert field.get_attribute("aria-describedby") == "contact-email-hint contact-email-error"
    if javascript:  # a page without it cannot be asked
        assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    page.get_by_role("alert").get_by_role("link", name="E-mail").click()
    fill_in(page)
    page.get_by_label("red").uncheck()
    press(page)
    assert page.get_by_role("status").inner_text() == "We have your message."
    assert site.last() == FILLED_IN


def test_a_link_of_the_summary_leads_to_its_field(site: Site, opened: Open) -> None:
    page = opened(f"{site.url}/wrong.html")
    press(page)
    page.get_by_role("alert").get_by_role("link", name="E-mail").click()
    assert page.evaluate("document.activeElement.id") == "contact-email"


def test_back_brings_what_was_typed_and_it_can_be_sent_again(site: Site, opened: Open) -> None:
    page = opened(f"{site.hooks}/forms/contact")
    fill_in(page)
    press(page)
    page.go_back()
    page.wait_for_url("**/forms/contact")
    assert page.get_by_label("Your name").input_value() == "Ann Ångström"
    press(page)
    assert page.get_by_role("status").inner_text() == "We have your message."


def test_the_hosted_form_may_be_framed_by_listed_sites_only(site: Site, opened: Open) -> None:
    page = opened(f"{site.url}/frame.html", blocked=True)
    fill_in(page.frames[1])  # type: ignore[arg-type]
    with page.frames[1].expect_navigation():
        page.frames[1].locator("button").click()
    assert page.frames[1].get_by_role("status").inner_text() == "We have your message."
    page.goto(f"{site.url}/no-frame.html")
    assert page.frames[1].locator("form").count() == 0


def test_the_hosted_form_speaks_the_browsers_language(site: Site, opened: Open) -> None:
    page = opened(f"{site.hooks}/forms/plain", locale="de-CH")
    assert page.locator("html").get_attribute("lang") == "de"
    assert page.get_by_label("Nachricht").count() == 1
    assert page.locator("button").inner_text() == "Senden"


# -- bots and double clicks


def write(page: Page, message: str) -> None:
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("Email").fill("ann@example.com")
    page.get_by_label("Message").fill(message)


def test_a_browser_does_the_work_by_itself(site: Site, opened: Open) -> None:
    page = opened(f"{site.hooks}/forms/guarded")
    write(page, "With the work done.")
    page.locator("[data-altcha][data-state=solved]").wait_for(state="attached")
    page.wait_for_timeout(2100)  # what a person takes at least (`min_fill`)
    press(page)
    assert site.newest().event.spam is None
    assert site.last()["message"] == "With the work done."


def test_too_fast_and_without_the_work_is_held_and_answered_alike(site: Site, opened: Open) -> None:
    page = opened(f"{site.hooks}/forms/long")
    write(page, "At once, by a browser")
    press(page)
    assert page.get_by_role("heading").inner_text() == "Thank you"
    assert str(site.newest().event.spam).startswith("token: ")
    assert not site.newest().deliveries
    fields = urlencode({"name": "Ann", "message": "At once, by a program"}).encode()
    answer = site.bridge.post(
        "/hooks/long",
        fields,
        {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"},
    )
    assert (answer.status, b"Thank you" in answer.body) == (200, True)
    assert str(site.newest().event.spam).startswith("token: ") and not site.newest().deliveries


def is_taken_once_mended(site: Site, page: Page) -> None:
    """Send a form with a mistake as a person would, mend it at once, and see that it was taken."""
    page.get_by_label("Name").fill("Ann")
    page.get_by_label("red").check()
    page.get_by_label("blue").check()
    page.wait_for_timeout(2100)  # what a person takes at least (`min_fill`)
    press(page)
    assert (
        page.get_by_role("alert").get_by_role("listitem").inner_text()
        == "Tags: Please select at most one option."
    )
    page.get_by_label("red").uncheck()
    press(page)
    assert page.get_by_role("heading").inner_text() == "Thank you"
    assert site.newest().event.spam is None
    assert site.last() == {"name": "Ann", "tags": ["blue"]}


@pytest.mark.parametrize("javascript", [True, False])
def test_a_mistake_that_is_mended_at_once_is_no_bots_work(
    site: Site, opened: Open, javascript: bool
) -> None:
    page = opened(f"{site.hooks}/forms/usual", javascript=javascript)
    is_taken_once_mended(site, page)


def test_pages_of_ours_are_sent_where_the_form_has_a_captcha(site: Site, opened: Open) -> None:
    """The hosted one, and what is sent back: on them the work stands for it."""
    page = opened(f"{site.hooks}/forms/captcha")
    is_taken_once_mended(site, page)


GOOGLE = """let times = 0;
globalThis.grecaptcha = { ready: (then) => setTimeout(then, 1), execute: async (key, { action }) => `${key} ${action} ${times += 1}` };"""


@pytest.mark.parametrize("kind", ["html", "fetch"])
def test_a_captcha_that_shows_nothing_is_asked_as_the_form_is_sent(
    site: Site, opened: Open, kind: str
) -> None:
    """Each time anew, and after what the browser itself asks for: what it gives is good for two
    minutes, and once.
    """
    (site.folder / "scored.html").write_text(
        f"<!doctype html><title>x</title>{printed(site, '--as', kind, name='scored')}"
    )
    page = opened(f"{site.url}/next.html")
    script = "https://www.google.com/recaptcha/api.js?render=the-key"
    page.route(script, lambda route: route.fulfill(body=GOOGLE, content_type="text/javascript"))
    for times in (1, 2):
        if kind == "html" or times == 1:
            page.goto(f"{site.url}/scored.html")
        page.get_by_label("Name").fill(f"Ann {kind} {times}")
        page.locator("button").click()
        page.get_by_text("Your message has been received.").wait_for()
        page.get_by_text("Your message has been received.").evaluate(
            "one => { one.textContent = ''; }"
        )
        event = site.newest().event
        assert event.spam is None
        asked = f"the-key send {times if kind == 'fetch' else 1}"
        assert (
            asked in event.body.decode()
            or urlencode({"g-recaptcha-response": asked}) in event.body.decode()
        )


def test_without_a_script_it_is_said_that_one_is_needed(site: Site, opened: Open) -> None:
    for name, said in (("captcha", 1), ("guarded", 1), ("usual", 0)):
        page = opened(f"{site.hooks}/forms/{name}", javascript=False)
        assert page.locator("noscript p").count() == said
        assert page.locator("button").is_visible() is (said == 0)
        if said:
            with_script = opened(f"{site.hooks}/forms/{name}")
            with_script.locator("button").wait_for()
            assert with_script.locator("button").is_enabled()


def holding(held: list[Any]) -> Callable[[Any], None]:
    """Return what keeps requests of a page waiting, in `held`."""

    def hold(route: Any) -> None:
        held.append(route)

    return hold


def test_a_form_that_needs_javascript_cannot_be_sent_without_it(site: Site, opened: Open) -> None:
    """Neither by the button nor by the Enter key, on the hosted page and on a page with the printed
    form.
    """
    (site.folder / "guarded.html").write_text(
        f"<!doctype html><meta charset=utf-8><title>x</title>{printed(site, name='guarded')}"
    )
    before = site.bridge.count()
    for url in (f"{site.hooks}/forms/guarded", f"{site.url}/guarded.html"):
        page = opened(url, javascript=False)
        assert page.locator("button").is_hidden() and page.locator("button").is_disabled()
        write(page, "Without JavaScript.")
        page.get_by_label("Name").press("Enter")
        assert (
            page.locator("noscript p").inner_text() == "Please enable JavaScript to send this form."
        )
        assert page.url == url
    assert site.bridge.count() == before


def test_the_printed_form_that_needs_javascript_is_sent_with_it(site: Site, opened: Open) -> None:
    (site.folder / "guarded.html").write_text(
        f"<!doctype html><meta charset=utf-8><title>x</title>{printed(site, name='guarded')}"
    )
    page = opened(f"{site.url}/guarded.html")
    write(page, "Printed, with JavaScript.")
    page.wait_for_timeout(2100)  # what a person takes at least (`min_fill`)
    press(page)
    assert (site.newest().event.spam, site.last()["message"]) == (None, "Printed, with JavaScript.")


def test_the_button_is_busy_until_the_form_is_sent(site: Site, opened: Open) -> None:
    """While the work is done, and while the server has not answered; not on a page that the back
    button brings again.
    """
    page = opened(f"{site.url}/next.html")
    held: list[Any] = []
    page.route("**/challenge*", holding(held))
    page.goto(f"{site.hooks}/forms/usual", wait_until="commit")
    page.get_by_label("Name").fill("Ann busy")
    button = page.locator("button")
    button.click(no_wait_after=True)
    page.locator("button[aria-busy=true]").wait_for()
    assert (button.inner_text(), button.is_disabled()) == ("Sending…", True)
    held[0].abort()
    page.route("**/challenge*", lambda route: route.continue_())
    page.get_by_role("heading", name="Thank you").wait_for()
    page.go_back()
    page.locator("button:not([aria-busy]):enabled").wait_for()
    assert button.inner_text() == "Send"


def test_the_button_recovers_where_the_page_is_shown_again(site: Site, opened: Open) -> None:
    """As browsers do it that keep the page itself (bfcache), and as one does whose sending was
    stopped.
    """
    page = opened(f"{site.url}/next.html", locale="de-DE")
    page.clock.install()
    page.goto(f"{site.hooks}/forms/guarded")
    page.locator("[data-altcha][data-state=solved]").wait_for(state="attached")
    for again in ("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))", ""):
        page.locator("[data-altcha][data-state=solved]").wait_for(state="attached")
        # which leaves the page as it is
        page.route("**/hooks/guarded", lambda route: route.fulfill(status=204))
        page.get_by_label("Name").fill("Ann")
        page.locator("form").evaluate("form => { form.noValidate = true; }")
        page.locator("button").click(no_wait_after=True)
        page.clock.run_for(10)
        page.locator("button[aria-busy=true]").wait_for()
        assert page.locator("button").inner_text() == "Wird gesendet …"
        page.evaluate(again) if again else page.clock.run_for(31_000)
        page.locator("button:not([aria-busy]):enabled").wait_for()
        assert page.locator("button").inner_text() == "Senden"


def test_the_printed_form_with_fetch_is_busy_until_the_answer(site: Site, opened: Open) -> None:
    form = printed(site, "--as", "fetch", name="plain")
    (site.folder / "fetch.html").write_text(
        f"<!doctype html><meta charset=utf-8><title>x</title>{form}"
    )
    page = opened(f"{site.url}/fetch.html")
    held: list[Any] = []
    page.route("**/hooks/plain", holding(held))
    write(page, "By fetch, busy.")
    with page.expect_request("**/hooks/plain"):
        page.locator("button").click()
    page.locator("button[aria-busy=true]:disabled").wait_for()
    assert page.locator("button").inner_text() == "Sending…"
    held[0].abort()
    page.get_by_role("status").filter(has_text="Your message was not sent").wait_for()
    page.locator("button:not([aria-busy]):enabled").wait_for()
    assert page.locator("button").inner_text() == "Send"


@pytest.mark.parametrize("wakes", ["at once", "later", "as it is sent"])
def test_a_page_that_was_open_for_days_is_sent(site: Site, opened: Open, wakes: str) -> None:
    """Its token and its solution are renewed before their end: by a look each minute, when the page
    is seen again, or as it is sent.
    """
    page = opened(f"{site.url}/next.html")
    page.clock.install()
    page.goto(f"{site.hooks}/forms/guarded")
    write(page, f"Open for days, {wakes}")
    solved = page.locator("[data-altcha][data-state=solved]")
    solved.wait_for(state="attached")
    before = page.locator("[name=_token]").input_value()
    page.clock.set_system_time(time.time() + 86000)
    with page.expect_response("**/challenge?token=*"):
        if wakes == "at once":
            page.clock.run_for(61_000)
        elif wakes == "later":
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        else:
            page.wait_for_timeout(2100)  # what a person takes at least (`min_fill`)
            press(page)
    if wakes == "as it is sent":
        assert site.newest().event.spam is None
        assert site.last()["message"] == f"Open for days, {wakes}"
        return
    solved.wait_for(state="attached")
    assert page.locator("[name=_token]").input_value() != before


def test_a_trap_that_is_filled_in_is_held_and_answered_alike(site: Site, opened: Open) -> None:
    page = opened(f"{site.hooks}/forms/plain")
    assert not page.locator("[name=_gotcha]").is_visible()
    write(page, "I am a bot.")
    page.locator("[name=_gotcha]").evaluate("trap => { trap.value = 'x'; }")
    press(page)
    assert page.get_by_role("heading").inner_text() == "Thank you"
    assert str(site.newest().event.spam).startswith("honeypot: ")


@pytest.mark.parametrize("javascript", [True, False])
def test_a_double_click_sends_once(site: Site, opened: Open, javascript: bool) -> None:
    """Chromium itself sends a form once, so what it sent is sent again as other browsers would:
    twice at the same moment.
    """
    page = opened(f"{site.hooks}/forms/plain", javascript=javascript)
    write(page, f"Twice, {javascript}")
    before = site.bridge.count()
    with (
        page.expect_request(lambda request: request.method == "POST") as sent,
        page.expect_navigation(),
    ):
        page.locator("button").dblclick(no_wait_after=True)
    page.get_by_role("heading", name="Thank you").wait_for()
    body = sent.value.post_data_buffer or b""
    kind = sent.value.headers["content-type"]
    assert b"Twice" in body
    with ThreadPoolExecutor(2) as pool:
        again = list(
            pool.map(
                lambda _: site.bridge.post(
                    "/hooks/plain", body, {"Content-Type": kind, "Accept": "text/html"}
                ),
                range(2),
            )
        )
    assert [(one.status, b"Thank you" in one.body) for one in again] == [(200, True)] * 2
    assert site.bridge.count() == before + 1
    assert site.newest().event.duplicates >= 2


def test_a_reload_of_the_thanks_sends_nothing_more(site: Site, opened: Open) -> None:
    page = opened(f"{site.hooks}/forms/plain")
    write(page, "Once, and reloaded.")
    press(page)
    before = site.bridge.count()
    page.reload()  # sends the form again, as a person confirms it
    assert page.get_by_role("heading").inner_text() == "Thank you"
    assert site.bridge.count() == before


# -- how it looks, and who can use it


HEADINGS = {
    "hosted": ["Write to us"],
    "error": ["Write to us", "Please check your answers"],
    "thanks": ["Thank you"],
}


def shown(site: Site, opened: Open, kind: str, **how: Any) -> Page:
    """Open one of the pages: the hosted form, what is wrong, the thanks."""
    begin = {
        "hosted": f"{site.hooks}/forms/contact",
        "error": f"{site.url}/wrong.html",
        "thanks": f"{site.hooks}/forms/plain",
    }
    page = opened(begin[kind], **how)
    if kind == "thanks":
        write(page, f"How it looks, {how}")
    if kind != "hosted":
        press(page)
    assert page.get_by_role("heading").all_inner_texts() == HEADINGS[kind]
    return page


@pytest.mark.parametrize("kind", ["hosted", "error", "thanks"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_pages_fit_and_axe_finds_nothing(
    site: Site, opened: Open, kind: str, width: int, scheme: str
) -> None:
    page = shown(site, opened, kind, width=width, scheme=scheme)
    take_picture(page, f"{kind}-{width}-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.locator(
        "input:not([type=checkbox], [type=hidden], [tabindex='-1']), select, textarea, button"
    ).evaluate_all(
        "all => all.filter(one => one.getBoundingClientRect().height < 44).map(one => one.name)"
    )
    assert small == []
    if not AXE.is_file():
        pytest.skip("FLOWBRIDGE_FORM_MODULES has no axe-core")
    assert browsers.find_violations(page) == []


def test_text_can_be_made_twice_as_large(site: Site, opened: Open) -> None:
    page = shown(site, opened, "error", width=640)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
