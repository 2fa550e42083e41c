"""Take the pictures of the console in README.md, light and dark, from the data of the demo.

    python docs/screenshots.py            # docs/console-light.png, docs/console-dark.png
    python docs/screenshots.py FOLDER     # the same elsewhere, to compare

Needs Debian's Chromium, Playwright and Pillow. Beside the pictures it writes `console-boxes.json`:
their size, and the boxes of the parts of the page. Times are replaced by fixed ones, and boxes are
rounded, so that neither the clock nor a font that is a pixel wider changes them.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.cli.commands.demo.command import SAMPLES
from bridge.cli.commands.init import template
from bridge.core.scopes import Scope
from bridge.core.timings import TIMINGS
from bridge.runtime.demo_bridge import make_folder, run_bridge
from bridge.services.console_tickets import create_ticket
from bridge.services.demo_requests import DemoRequest, read_progress, send_request
from bridge.store.db.database import Database
from bridge.system.logs import configure

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from bridge.config.settings import Settings

DOCS: Final = Path(__file__).resolve().parent
SCHEMES: Final = ("light", "dark")
BOXES: Final = "console-boxes.json"
WIDTH: Final = 1280
HEIGHT: Final = 656
MAX_PICTURE_BYTES: Final = 150 * 1024
PALETTE_COLOURS: Final = 256
ROUND_PIXELS: Final = 8
WAIT_SECONDS: Final = 60.0
#: The parts of the page whose boxes are recorded, by a selector.
PARTS: Final = {
    "search": ".search",
    "navigation": "#navigation ul",
    "heading": "h1",
    "verdict": ".verdict",
    "tiles": ".tiles",
    "first tile": ".tiles li",
    "map": ".map",
}
#: Texts that are never the same twice: times, and what depends on the machine.
FIXED_TEXTS: Final = """() => {
  for (const one of document.querySelectorAll("time[data-ago]")) one.textContent = "12 s ago";
  for (const one of document.querySelectorAll("time:not([data-ago])"))
    one.firstChild.textContent = "10:24:36 ";
  for (const one of document.querySelectorAll(".notes, .conditions")) one.remove();
}"""


def take_pictures(folder: Path) -> None:
    """Write the pictures and `console-boxes.json` to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with _run_demo() as (settings, database), _open_browser() as browser:
        found: dict[str, Any] = {"size": [WIDTH, HEIGHT]}
        for scheme in SCHEMES:
            ticket = create_ticket(database, (Scope.ADMIN,), "demo", time.time())
            url = f"{settings.private_url}/console/login#{ticket}"
            picture, boxes = _take(browser, scheme, url)
            (folder / f"console-{scheme}.png").write_bytes(picture)
            found["parts"] = boxes
    (folder / BOXES).write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _take(browser: Browser, scheme: Any, url: str) -> tuple[bytes, dict[str, list[int]]]:
    """Return the picture of a page as PNG, and the box of each part."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT},
        color_scheme=scheme,
        device_scale_factor=1,
        locale="en-GB",
        timezone_id="UTC",
    )
    try:
        page = context.new_page()
        page.goto(url)
        page.wait_for_url(f"{url.partition('/login')[0]}/")
        page.evaluate(FIXED_TEXTS)
        picture = _reduce(page.screenshot())
        return picture, {name: _find_box(page, where) for name, where in PARTS.items()}
    finally:
        context.close()


def _find_box(page: Page, selector: str) -> list[int]:
    box = page.locator(selector).first.bounding_box()
    if box is None:
        raise SystemExit(f"the page has no {selector}")
    sides = (box["x"], box["y"], box["width"], box["height"])
    return [round(side / ROUND_PIXELS) * ROUND_PIXELS for side in sides]


def _reduce(picture: bytes) -> bytes:
    """Return a PNG with a palette, small enough for a repository."""
    from PIL import Image

    written = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        reduced = image.convert("RGB").quantize(
            PALETTE_COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE
        )
        reduced.save(written, "PNG", optimize=True)
    if written.tell() > MAX_PICTURE_BYTES:
        raise SystemExit(f"the picture has {written.tell():,} bytes; use fewer colours")
    return written.getvalue()


@contextmanager
def _run_demo() -> Iterator[tuple[Settings, Database]]:
    """Run the bridge of the demo, and yield when its requests have been processed."""
    configure("error")
    files = {"routes.yaml": template("demo_routes.yaml"), "flows.py": template("flows.py")}
    with ExitStack() as stack:
        folder = stack.enter_context(make_folder())
        settings, _ = stack.enter_context(run_bridge(folder, files, 0, TIMINGS))
        database = stack.enter_context(closing(Database.of(settings)))
        requests = [DemoRequest(source, type_) for source, type_ in SAMPLES]
        requests.append(DemoRequest("github", "issues", forged=True))
        for one in requests:
            send_request(settings, one)
        until = time.monotonic() + WAIT_SECONDS
        while not all(one.is_well for one in requests):
            if time.monotonic() > until:
                raise SystemExit(f"the demo has not ended after {WAIT_SECONDS:g} s")
            read_progress(database, requests)
            time.sleep(0.05)
        yield settings, database


@contextmanager
def _open_browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise SystemExit("there is no chromium on the PATH")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield launched
        finally:
            launched.close()


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
