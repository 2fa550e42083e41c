"""providers: the table for people and programs, and how to set one up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import lines, run

from bridge.cli.commands.providers import EVIDENCE as MEANINGS
from bridge.cli.commands.providers import _print
from bridge.providers.model import EVIDENCE_LEVELS, UNKNOWN_TEXT
from bridge.providers.registry import CATALOG_MODULES, PROVIDERS, catalog_title


def test_every_row_is_listed_with_its_evidence() -> None:
    listed = lines(run("providers", "--json"))
    assert [one["name"] for one in listed] == list(PROVIDERS)
    assert all(
        one["evidence"] in EVIDENCE_LEVELS and one["setup"] and one["docs"].startswith("https://")
        for one in listed
    )
    assert len({frozenset(one) for one in listed}) == 1, "every key is always there"
    table = run("providers")
    assert all(f"\n{name} " in f"\n{table.stdout}" for name in PROVIDERS)
    assert f"{len(PROVIDERS)} providers" in table.stderr


def test_a_word_finds_providers_by_name_title_and_kind() -> None:
    found = run("providers", "pay")
    assert found.exit_code == 0
    names = [
        name for line in found.stdout.splitlines() if (name := line.partition(" ")[0]) in PROVIDERS
    ]
    assert {"paypal", "stripe"} <= set(names) and "github" not in names, (
        "stripe is found by its kind"
    )
    assert [one["name"] for one in lines(run("providers", "PAY", "--json"))] == names
    assert f"{len(names)} providers" in found.stderr
    assert [one["name"] for one in lines(run("providers", "stripe", "--json"))] == ["stripe"], (
        "a name is that provider"
    )
    nothing = run("providers", "no-such-word-anywhere")
    assert nothing.exit_code == 2 and "`flowbridge providers` lists all" in nothing.stderr


def test_the_list_is_grouped_by_kind_and_says_what_its_words_mean() -> None:
    listed = run("providers")
    places = [listed.stdout.index(catalog_title(module)) for module in CATALOG_MODULES]
    assert places == sorted(places) and all(
        catalog_title(module)[0].isupper() for module in CATALOG_MODULES
    )
    assert all(f"{word} = {meaning}" in listed.stderr for word, meaning in MEANINGS.items())
    assert (
        "the secret is shown" not in listed.stdout and "requests carry the secret" in listed.stdout
    )


@pytest.mark.parametrize("name", PROVIDERS)
def test_one_says_how_to_set_it_up(name: str) -> None:
    shown = run("providers", name)
    assert shown.exit_code == 0 and PROVIDERS[name].title in shown.stdout
    assert (
        " ".join(shown.stdout.split()).count(" ".join(PROVIDERS[name].explain_setup().split())) == 1
    )
    assert f"flowbridge add {name}" in shown.stdout and PROVIDERS[name].docs in shown.stdout
    assert "answer within" in shown.stdout and (f"flowbridge learn {name}\n" in shown.stdout) is (
        PROVIDERS[name].learn is not None
    )
    (as_json,) = lines(run("providers", name, "--json"))
    assert (
        as_json["name"] == name
        and as_json["answer_within"] != UNKNOWN_TEXT
        and as_json["limits"] != ""
    )


@pytest.mark.parametrize(("columns", "wide"), [("80", 80), ("200", 100)])
def test_one_fits_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, wide: int
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", columns)
    _print(PROVIDERS["stripe"])
    longest = max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()))
    assert wide - 12 < longest <= wide


def test_what_must_be_pinned_is_shown_where_it_is_typed() -> None:
    shown = run("providers", "google_pubsub").stdout
    assert "flowbridge add google_pubsub --pin audience=VALUE --pin email=VALUE\n" in shown
    assert "confirmed automatically" in run("providers", "aws_sns").stdout
    (sns,) = lines(run("providers", "aws_sns", "--json"))
    assert (sns["pins"], sns["confirms"]) == (["topic_arn"], True)


def test_a_near_miss_is_named() -> None:
    result = run("providers", "gitlb")
    assert result.exit_code == 2 and "did you mean `gitlab`?" in result.stderr


def test_who_names_no_provider_is_told_the_near_one_and_how_to_list_all(folder: Path) -> None:
    (folder / "routes.yaml").write_text(
        "version: 1\nsources: {shop: {provider: strpe, secret: x}}\n"
    )
    for command in (("sample", "strpe"), ("add", "strpe"), ("check",)):
        result = run(*command)
        said = result.stdout + result.stderr
        assert (
            result.exit_code == 2
            and "did you mean `stripe`? `flowbridge providers` lists all" in said
            and "gitlab" not in said
        )
