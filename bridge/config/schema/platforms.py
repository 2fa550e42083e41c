"""The keys of a platform and of a flow."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.config.schema.field_types import Duration, Memory, StrictModel

RunCap = Annotated[int, Field(ge=1, le=10_000)]


class _PlatformSchema(StrictModel):
    max_concurrent_runs: RunCap | None = Field(
        None, description="Runs at once. Default: gumloop 5, http 16, local 2 for each core."
    )
    timeout: Duration = Field(30.0, description="How long an answer may take.")
    file_links: Duration = Field(
        7 * 86400.0,
        description="How long a link to a form's file works, or up to half as long again.",
    )


class GumloopSchema(_PlatformSchema):
    """Gumloop, or what has the same API."""

    type: Literal["gumloop"]
    base_url: str = Field(
        "https://api.gumloop.com/api/v1", description="The API. Without TLS only on this machine."
    )
    api_key: str = Field(description="The API key: ${env:NAME} or ${file:PATH}.")
    user_id: str = Field(description="The id of the user who owns the flows.")
    project_id: str | None = Field(None, description="The project of the flows.")


class LocalKeySchema(StrictModel):
    """A key that others call the embedded platform with, beside the built-in one."""

    name: str = Field(description="Whose it is; stands in the log. Letters, digits, - _ .")
    hash: str = Field(
        description=(
            "sha256: and what `printf %s KEY | sha256sum` prints. The key itself is written"
            " nowhere."
        )
    )
    user_id: str | None = Field(
        None,
        description=(
            "The user that it belongs to, who sees only the runs and files of that user. A key with"
            " `flows` has one of its own."
        ),
    )
    flows: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = Field(
        None,
        description="The flows that it may start and see: names under `flows:`, or saved_item_ids.",
    )


class LocalSchema(_PlatformSchema):
    """The embedded platform: ready-made flows and the functions of a Python file. There can be
    one.
    """

    type: Literal["local"]
    flows: str | None = Field(None, description="The Python file with the flows.")
    keys: Annotated[list[LocalKeySchema], Field(max_length=100)] | None = Field(
        None, description="Further keys of its API."
    )
    overflow: Literal["queue", "reject"] = Field(
        "queue",
        description=(
            "What happens to a start beyond max_concurrent_runs: it waits, or is answered 429."
        ),
    )


class HttpSchema(_PlatformSchema):
    """Any URL that takes JSON."""

    type: Literal["http"]
    url: str = Field(description="Where the inputs are sent.")
    method: Literal["POST", "PUT", "PATCH"] = Field("POST", description="The HTTP method.")
    headers: dict[str, str] | None = Field(None, description="Headers to send along.")
    files: Literal["base64", "link"] = Field(
        "base64",
        description=(
            "How a form's file in an input is sent: its bytes in Base64, or a link to download"
            " it by."
        ),
    )


PlatformSchema = Annotated[GumloopSchema | LocalSchema | HttpSchema, Field(discriminator="type")]


class FlowSchema(StrictModel):
    """A saved flow under a name that routes use."""

    platform: str = Field(description="The platform's name.")
    saved_item_id: str = Field(description="The flow's id on its platform.", min_length=1)
    exclusive: bool = Field(
        False,
        description=(
            "Nobody but flowbridge starts it: then a run that could be that of a start without an"
            " answer is that run."
        ),
    )
    time_limit: Duration | None = Field(
        None, description="Local flows: how long a run may take before it is ended."
    )
    memory: Memory | None = Field(
        None, description="Local flows: the memory that a run may use, in bytes or as 256MB."
    )
