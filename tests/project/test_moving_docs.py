"""docs/moving.md: each example is imported, and gives what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import run
from folders import DOCS

EXAMPLE = re.compile(
    r"<!-- example: (\S+) -->\n\n```\w+\n(.*?)```\n\n```yaml\n(.*?)```\n\nThe report:\n\n"
    r"```text\n(.*?)```",
    re.DOTALL,
)
EXAMPLES = EXAMPLE.findall((DOCS / "moving.md").read_text("utf-8"))


def test_each_marked_example_is_found() -> None:
    text = (DOCS / "moving.md").read_text("utf-8")
    assert len(EXAMPLES) == text.count("<!-- example: ") >= 1


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one[0])
def test_an_example_gives_what_the_page_shows(
    folder: Path, example: tuple[str, str, str, str]
) -> None:
    name, text, routes, report = example
    (folder / name).write_text(text)
    found = run("import", name)
    assert found.stdout == routes
    assert found.stderr == report
    written = run("import", name, "--write", "made")
    assert written.exit_code == found.exit_code
    checked = run("--config", "made/routes.yaml", "check")
    assert checked.exit_code == 0, checked.output
