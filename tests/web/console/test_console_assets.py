"""The templates, the style and the script: nothing inline, nothing unescaped, and small."""

from __future__ import annotations

import gzip
import hashlib
import re
import time
from pathlib import Path

import pytest
from console_client import ConsoleClient

import bridge.web.console
from bridge.core.scopes import Scope
from bridge.core.status import STATUS_KINDS
from bridge.services.access_tokens import create_token
from bridge.services.console_tickets import create_ticket
from bridge.store.db.database import Database
from bridge.web.console.assets import MEDIA_TYPES, asset_url
from bridge.web.console.pages import PAGES

ROOT = Path(bridge.web.console.__file__).parent
TEMPLATES = sorted((ROOT / "templates").glob("*.html"))
ICONS = (ROOT / "assets" / "icons.svg").read_text("utf-8")
#: Of htmx 2.0.11 as npm has it.
HTMX_SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
MAX_BYTES = {
    "htmx.min.js": 52 * 1024,
    "console.css": 16 * 1024,
    "pages.css": 8 * 1024,
    "console.js": 14 * 1024,
    "keyboard.js": 6 * 1024,
    "retry.js": 2 * 1024,
    "values.js": 2 * 1024,
    "icons.svg": 8 * 1024,
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_trusts_a_value_or_has_inline_code(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", text)


def test_no_module_renders_outside_the_environment() -> None:
    for path in ROOT.rglob("*.py"):
        text = path.read_text("utf-8")
        assert "from_string" not in text and "autoescape=False" not in text
        # a constant with placeholders, which `format` escapes
        assert all("{}" in found or "<" in found for found in re.findall(r"Markup\((.*)\)", text))


def test_every_form_that_changes_something_carries_the_proof() -> None:
    for path in TEMPLATES:
        for form in re.findall(r'<form[^>]*method="post".*?</form>', path.read_text("utf-8"), re.S):
            assert 'name="csrf"' in form or path.name == "login.html", path.name


def test_every_icon_exists() -> None:
    used = {one.icon for one in PAGES} | set(STATUS_KINDS)
    for path in TEMPLATES:
        used |= set(re.findall(r'icon\("([a-z]+)"\)', path.read_text("utf-8")))
    assert {name for name in used if f'id="i-{name}"' not in ICONS} == set()


def test_the_script_logs_in_with_the_form_of_a_ticket_only(
    database: Database, tmp_path: Path
) -> None:
    script = (ROOT / "assets" / "console.js").read_text("utf-8")
    (pattern,) = re.findall(r"/(\S+)/\.test\(location\.hash\)", script)
    ticket = create_ticket(database, {Scope.READ}, "ann@here", time.time())
    _, token = create_token(database, "ann", "read", None, now=time.time())
    assert re.fullmatch(pattern, f"#{ticket}")
    assert not re.search(pattern, f"#{token}")


def test_the_vendored_script_is_the_published_one() -> None:
    content = (ROOT / "assets" / "htmx.min.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() == HTMX_SHA256
    assert "Zero-Clause BSD" in (ROOT / "assets" / "htmx-LICENSE.txt").read_text("utf-8")


def test_assets_are_small_and_never_change(database: Database, tmp_path: Path) -> None:
    console = ConsoleClient(database, tmp_path)
    for name, media_type in MEDIA_TYPES.items():
        content = (ROOT / "assets" / name).read_bytes()
        assert len(content) <= MAX_BYTES.get(name, 4096), name
        plain = console.client.get(asset_url(name))
        packed = console.client.get(asset_url(name), headers={"Accept-Encoding": "gzip"})
        assert plain.status_code == packed.status_code == 200
        assert plain.data == content == gzip.decompress(packed.data)
        assert plain.headers["Content-Type"] == media_type
        assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert plain.headers["X-Content-Type-Options"] == "nosniff"
        assert packed.headers["Vary"] == "Accept-Encoding"
    assert console.get("/assets/console.000000000000.css").status_code == 303
