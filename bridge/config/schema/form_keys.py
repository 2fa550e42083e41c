"""What a form's source says of fields and files: the keys, their types and what each means."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from bridge.config.schema.field_types import Memory, Size, Texts, Written
from bridge.ingest.bodies import MAX_FIELDS


class Fields(Written):
    """Which fields a form takes."""

    max: Annotated[int, Field(ge=1, le=MAX_FIELDS)] = Field(
        MAX_FIELDS, description="Fields at most."
    )
    max_length: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        100_000, description="Characters of a field at most."
    )
    nested: bool = Field(
        False, description="a[b]=x is an object's member, a[0][b]=x one of a list's element."
    )


class Files(Written):
    """Which files a form takes."""

    max: Annotated[int, Field(ge=1, le=50)] = Field(
        4, description="Files in one submission at most."
    )
    max_size: Size = Field(6 * 1024 * 1024, description="The largest file, up to 25 MiB.")
    types: Texts = Field(
        ("image", "pdf", "document", "text"),
        description="Which: groups (image, pdf, document, text…), types, .extensions, or any.",
    )
    required: Texts | None = Field(None, description="Fields in which there must be a file.")
    keep: Memory = Field(
        2 * 1024**3,
        description="What all files of the form that are kept may come to, in bytes or as 2 GiB.",
    )


def _kind_of_files(value: Any) -> str:
    return "yes" if isinstance(value, bool) else "which"


def _bool_or_mapping(value: Any) -> Any:
    if not isinstance(value, (bool, dict, Files)):
        raise ValueError("needs true, false, or a mapping that says which files")
    return value


FilesOf = Annotated[
    Annotated[
        Annotated[bool, Tag("yes")] | Annotated[Files, Tag("which")], Discriminator(_kind_of_files)
    ],
    BeforeValidator(_bool_or_mapping),
]
