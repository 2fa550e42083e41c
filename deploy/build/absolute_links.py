"""Make the links of an exported README.md absolute: a package index shows it without its files.

    python deploy/build/absolute_links.py SOURCE_FOLDER TAG

The address is that of `Source` in setup.cfg. Without one the links stay as they are.
"""

from __future__ import annotations

import re
import sys
from configparser import ConfigParser
from pathlib import Path

LINK = re.compile(r'(\]\(|<img src="|srcset=")(?![a-z]+:|#)([^)"\s]+)')


def source_url(folder: Path) -> str | None:
    """Return the address of the repository."""
    setup = ConfigParser()
    setup.read(folder / "setup.cfg")
    urls = setup["metadata"].get("project_urls", "").strip().splitlines()
    return dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in urls).get("Source")


def make_absolute(text: str, url: str, tag: str) -> str:
    """Return a page with each relative link led to the file of the tag, and images to raw files."""

    def replace(found: re.Match[str]) -> str:
        kind = "blob" if found[1] == "](" else "raw"
        return f"{found[1]}{url}/{kind}/{tag}/{found[2]}"

    return LINK.sub(replace, text)


def main() -> None:
    """Rewrite README.md of the folder."""
    folder, tag = Path(sys.argv[1]), sys.argv[2]
    readme = folder / "README.md"
    if url := source_url(folder):
        readme.write_text(make_absolute(readme.read_text("utf-8"), url, tag), "utf-8")


if __name__ == "__main__":
    main()
