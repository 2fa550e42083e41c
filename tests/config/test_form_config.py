"""What routes.yaml says of a form's fields and files, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config.loader import check
from bridge.core.file_types import FILE_TYPES
from bridge.routing.form import FieldRules, FileRules
from bridge.routing.model import Source

MIB = 1024 * 1024
HEAD = (
    "version: 1\nplatforms: {local: {type: local}}\nroutes: [{name: r, on: f, flow: local/echo}]\n"
)


def source(tmp_path: Path, says: str) -> Source:
    (tmp_path / "routes.yaml").write_text(f"{HEAD}sources: {{f: {{provider: form{says}}}}}\n")
    config, problems = check(tmp_path / "routes.yaml", {})
    assert config is not None and problems == [], problems
    return config.sources["f"]


def files(tmp_path: Path, says: str) -> FileRules | None:
    form = source(tmp_path, says).form
    assert form is not None
    return form.files


def group(*names: str) -> frozenset[str]:
    return frozenset(row.name for row in FILE_TYPES.values() if row.group in names)


@pytest.mark.parametrize(
    "says",
    [
        "",
        ", files: false",
        ", schema: {properties: {cv: {type: string}}}",
        ", files: false, schema: {properties: {cv: {format: binary}}}",
    ],
)
def test_a_form_takes_no_files_unless_it_says_so(tmp_path: Path, says: str) -> None:
    assert files(tmp_path, says) is None
    assert source(tmp_path, says).max_body == 256 * 1024, "people type no more"


def test_two_gibibytes_of_files_are_kept_unless_it_says_another_bound(tmp_path: Path) -> None:
    known = [files(tmp_path, f", files: {says}") for says in ("true", "{keep: 30 GB}")]
    assert [one and one.keep for one in known] == [2 * 1024**3, 30 * 1000**3]


USUAL = FileRules(types=group("image", "pdf", "document", "text"))


@pytest.mark.parametrize(
    "says",
    [
        ", files: true",
        ", files: {}",
        ", schema: {properties: {cv: {type: string, format: binary}}}",
        ", schema: {properties: {all: {type: array, items: {format: binary}}}}",
    ],
)
def test_a_word_is_enough(tmp_path: Path, says: str) -> None:
    assert files(tmp_path, says) == USUAL
    assert source(tmp_path, says).max_body == 25 * MIB, "what a proxy of ours lets through"


@pytest.mark.parametrize(
    ("says", "most"),
    [
        ("max: 1", 7),
        ("max_size: 512 KiB", 3),
        ("max: 50, max_size: 25 MiB", 64),
        ("max: 2, max_size: 10 MiB", 21),
    ],
)
def test_the_largest_body_follows_from_the_files(tmp_path: Path, says: str, most: int) -> None:
    assert source(tmp_path, f", files: {{{says}}}").max_body == most * MIB
    assert source(tmp_path, f", max_body: 3 MiB, files: {{{says}}}").max_body == 3 * MIB


@pytest.mark.parametrize(
    ("says", "types", "extensions"),
    [
        ("pdf", {"pdf"}, set()),
        ("[PDF, jpg, .docx]", {"pdf", "jpeg", "docx"}, set()),
        ("[video, .dwg, .STEP]", group("video"), {"dwg", "step"}),
        ("svg", {"svg"}, set()),
        ("any", None, set()),
        ("[Any]", None, set()),
    ],
)
def test_types_are_groups_rows_and_extensions(
    tmp_path: Path, says: str, types: set[str] | None, extensions: set[str]
) -> None:
    rules = files(tmp_path, f", files: {{types: {says}, required: cv}}")
    assert rules is not None
    assert (rules.types, rules.extensions, rules.required) == (types, extensions, ("cv",))


def test_fields(tmp_path: Path) -> None:
    form = source(tmp_path, ", fields: {max: 20, max_length: 300, nested: true}").form
    assert form is not None and form.fields == FieldRules(max=20, max_length=300, nested=True)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (
            "files: 3",
            "sources.f.files: needs true, false, or a mapping that says which files, found 3",
        ),
        (
            "files: {types: [imgae]}",
            "sources.f.files.types.0: no type `imgae`; did you mean `image`? allowed: image, pdf",
        ),
        (
            "files: {max_size: 26 MiB}",
            "sources.f.files.max_size: exceeds the limit of the flow API; allowed: at most 25 MiB",
        ),
        ("files: {max: 51}", "sources.f.files.max: must be at most 50, found 51"),
        (
            "files: {keep: 5 MiB}",
            "sources.f.files.keep: is smaller than one file may be; allowed: at least `max_size`",
        ),
        ("files: {keep: 2 PiB}", "sources.f.files.keep: `2 PiB` is not a size"),
        (
            "files: {maks: 1}",
            (
                "sources.f.files.maks: unknown key `maks`; allowed: max, max_size, types, required,"
                " keep"
            ),
        ),
        ("fields: {max: 1001}", "sources.f.fields.max: must be at most 1000, found 1001"),
        (
            "fields: {nest: true}",
            "sources.f.fields.nest: unknown key `nest`; did you mean `nested`?",
        ),
    ],
)
def test_mistakes_are_said_with_what_is_allowed(tmp_path: Path, says: str, expected: str) -> None:
    (tmp_path / "routes.yaml").write_text(f"{HEAD}sources: {{f: {{provider: form, {says}}}}}\n")
    (problem,) = check(tmp_path / "routes.yaml", {})[1]
    assert f"{problem.path}: {problem.message}".startswith(expected)


def test_they_are_for_forms_only(tmp_path: Path) -> None:
    says = f"provider: github, secret: {'x' * 32}, files: true, fields: {{max: 1}}"
    (tmp_path / "routes.yaml").write_text(f"version: 1\nsources: {{f: {{{says}}}}}\n")
    said = [problem.message for problem in check(tmp_path / "routes.yaml", {})[1]]
    assert [one for one in said if "only for the provider form" in one] == [
        "`files` is only for the provider form, this source's is github",
        "`fields` is only for the provider form, this source's is github",
    ]
