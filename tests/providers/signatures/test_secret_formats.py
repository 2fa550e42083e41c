"""`check` warns about a value that is probably no webhook secret, without showing it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import lines, run
from tables import for_each

from bridge.providers.registry import PROVIDERS

REST = "A1b2C3d4E5f6G7h8I9j0K1l2M3n4"
WRONG = {
    ("stripe", "sk_test_"): "a value that starts with `sk_test_` is an API key of Stripe",
    ("stripe", "rk_live_"): "a value that starts with `rk_live_` is an API key of Stripe",
    ("stripe", "we_"): "a secret of Stripe starts with `whsec_`, and this value does not",
    ("github", "ghp_"): "a value that starts with `ghp_` is an API key of GitHub",
    ("github", "github_pat_"): "a value that starts with `github_pat_` is an API key of GitHub",
    ("slack", "xoxb-"): "a value that starts with `xoxb-` is an API key of Slack",
}
RIGHT = (("stripe", "whsec_"), ("github", ""), ("paystack", "sk_live_"), ("paddle", "pdl_ntfset_"))


def project(folder: Path, provider: str, *secrets: str) -> str:
    """Write a project with one source and return its check as text."""
    names = [f"SECRET_{number}" for number in range(len(secrets))]
    written = ", ".join(f'"${{env:{name}}}"' for name in names)
    (folder / ".env").write_text(
        "".join(f"{n}={value}\n" for n, value in zip(names, secrets, strict=True))
    )
    (folder / "routes.yaml").write_text(
        "version: 1\nplatforms: {local: {type: local}}\n"
        f"sources:\n  in: {{provider: {provider}, secrets: [{written}]}}\n"
        'routes:\n  - {name: one, on: in, flow: local/echo, inputs: {id: "${event.id}"}}\n'
    )
    result = run("check")
    assert result.exit_code == 0, result.stdout
    return result.stdout


@pytest.mark.parametrize(("case", "said"), WRONG.items(), ids=[" ".join(case) for case in WRONG])
def test_an_api_key_is_no_secret(folder: Path, case: tuple[str, str], said: str) -> None:
    provider, start = case
    shown = project(folder, provider, start + REST)
    row = PROVIDERS[provider]
    assert f"routes.yaml:4:{shown.split(':')[2]}: sources.in.secrets.0: warning: {said}" in shown
    assert f"Needed: {row.secret_hint} (see `flowbridge providers {provider}`)" in shown
    assert REST not in shown


@pytest.mark.parametrize(("provider", "start"), RIGHT)
def test_a_secret_as_the_sender_has_it_is_no_warning(
    folder: Path, provider: str, start: str
) -> None:
    assert "warning" not in project(folder, provider, start + REST)


def test_each_of_several_secrets_is_looked_at(folder: Path) -> None:
    project(folder, "stripe", "whsec_" + REST, "sk_live_" + REST)
    (found,) = lines(run("check", "--json"))
    (one,) = found["problems"]
    assert (one["level"], one["path"], one["line"]) == ("warning", "sources.in.secrets.1", 4)


@for_each("name", PROVIDERS)
def test_no_row_contradicts_itself(name: str) -> None:
    """What is wanted of a secret does not start like an API key."""
    row = PROVIDERS[name]
    assert not any(start.startswith(row.api_key_starts) for start in row.secret_starts)
    assert all(start in row.secret_hint for start in row.secret_starts)
    assert not any(start in row.secret_hint for start in row.api_key_starts)
