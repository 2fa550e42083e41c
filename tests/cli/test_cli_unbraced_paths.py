"""check: texts of inputs that look like a path of the event, and are plain text since they lack
their `${…}`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from check_warnings import warnings
from command_line import run

WRONG = {
    "$body.issue.title": ("$body.issue.title", "${body.issue.title}"),
    "New: $body.issue.title, ${body.action}.": ("$body.issue.title", "${body.issue.title}"),
    "$form.email.": ("$form.email", "${form.email}"),
    "$headers.X-GitHub-Event": ("$headers.X-GitHub-Event", '${headers."x-github-event"}'),
    "$body.labels[0].name": ("$body.labels[0].name", "${body.labels[0].name}"),
    " $body ": ("$body", "${body}"),
    "{{body.issue.title}}": ("{{body.issue.title}}", "${body.issue.title}"),
    "a {{ body.issue.title | upper }} b": ("{{ body.issue.title | upper }}", "${body.issue.title}"),
    "{{ event }}": ("{{ event }}", "${event}"),
    "{{headers['X-Id']}}": ("{{headers['X-Id']}}", '${headers."x-id"}'),
}
RIGHT = (
    "${body.action}",
    "$${body.action}",
    "costs $5",
    "$bodyguard.name",
    "a $body of work",
    "$$body.x",
    "{{user.name}}",
    "{{bodyguard}}",
    "{{ body",
    "$issue.title",
    "body.issue.title",
    "{body.action}",
)


def route(text: str) -> str:
    quoted = text.replace("'", "''")
    return f"on: github issues, inputs: {{a: [{{b: '{quoted}'}}]}}"


@pytest.mark.parametrize(("text", "said"), WRONG.items(), ids=WRONG)
def test_a_path_without_its_braces_is_a_warning(
    folder: Path, text: str, said: tuple[str, str]
) -> None:
    (found,) = warnings(folder, route(text))
    assert (found["level"], found["path"], found["line"]) == (
        "warning",
        "routes.0.inputs.a.0.b",
        11,
    )
    assert (
        found["message"]
        == f"`{said[0]}` is plain text and stays as it is; did you mean `{said[1]}`?"
    )


@pytest.mark.parametrize("text", RIGHT)
def test_other_plain_text_is_none(folder: Path, text: str) -> None:
    assert warnings(folder, route(text)) == []


def test_the_exit_code_stays_and_the_route_is_named(folder: Path) -> None:
    warnings(folder, route("$body.action"))
    result = run("check")
    assert result.exit_code == 0
    assert (
        "routes[one].inputs.a.0.b: warning: `$body.action` is plain text and stays as it is; did"
        " you mean `${body.action}`?\n" in (result.stdout)
    )
