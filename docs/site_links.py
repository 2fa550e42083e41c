"""Copy the files of the repository that pages link to into the site.

A page links to `../deploy/nginx.conf` so that the link works in a checkout. The site has such
files under `source/`. mkdocs calls the functions: https://www.mkdocs.org/dev-guide/plugins/#events
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = re.compile(r"\]\(\.\./([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, *, config: Any, **_: Any) -> Files:
    """Add each linked file of the repository as `source/PATH.txt`, which a browser shows."""
    linked = set()
    for page in Path(config["docs_dir"]).glob("*.md"):
        linked |= {found[1] for found in OUTSIDE.finditer(page.read_text("utf-8"))}
    for path in sorted(linked):
        text = (ROOT / path).read_text("utf-8")
        files.append(File.generated(config, f"source/{path}.txt", content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the page with links to files of the repository led to their copies."""
    return OUTSIDE.sub(r"](source/\1.txt)", markdown)
