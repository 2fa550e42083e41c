"""The keys of a platform and of a flow."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bridge.config.schema.field_types import Duration, Memory, StrictModel

RunCap = Annotated[int, Field(ge=1, le=10_000)]


class _PlatformSchema(StrictModel):
    max_concurrent_runs: RunCap | None = Field(
        None, description="How many runs may be in flight at once."
    )
    timeout: Duration = Field(30.0, description="How long a response may take.")
    file_links: Duration = Field(
        7 * 86400.0,
        description=(
            "How long a link to a form's file is valid. It may be valid for up to half of this time"
            " longer."
        ),
    )


class GumloopSchema(_PlatformSchema):
    """Gumloop, or a service with the same API."""

    type: Literal["gumloop"]
    base_url: str = Field(
        "https://api.gumloop.com/api/v1",
        description="The URL of the API: `https://`, or `http://` on this machine.",
    )
    api_key: str = Field(description="The API key: ${env:NAME} or ${file:PATH}.")
    user_id: str = Field(description="The id of the user who owns the flows.")
    project_id: str | None = Field(None, description="The project of the flows.")


class LocalKeySchema(StrictModel):
    """A further key for the API of the local platform."""

    name: str = Field(description="The name of its owner, shown in the log. Letters, digits, - _ .")
    hash: str = Field(
        description=(
            "sha256: and the output of `printf %s KEY | sha256sum`. The key itself is not stored."
        )
    )
    user_id: str | None = Field(
        None,
        description=(
            "Its user: the key gives access to the runs and files of this user only. By default, a"
            " key with `flows` has a user of its own."
        ),
    )
    flows: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = Field(
        None,
        description="The flows that it may start and read: names under `flows:` or saved_item_ids.",
    )


class LocalSchema(_PlatformSchema):
    """The local platform: ready-made flows and the functions of a Python file. At most one."""

    type: Literal["local"]
    flows: str | None = Field(None, description="The Python file with the flows.")
    keys: Annotated[list[LocalKeySchema], Field(max_length=100)] | None = Field(
        None, description="Further keys of its API."
    )
    overflow: Literal["queue", "reject"] = Field(
        "queue",
        description=("What happens to a start beyond max_concurrent_runs: it waits, or gets 429."),
    )


class HttpSchema(_PlatformSchema):
    """Any URL that accepts JSON."""

    type: Literal["http"]
    url: str = Field(description="The URL that the inputs are sent to.")
    method: Literal["POST", "PUT", "PATCH"] = Field("POST", description="The HTTP method.")
    headers: dict[str, str] | None = Field(None, description="Further headers of each request.")
    files: Literal["base64", "link"] = Field(
        "base64",
        description=(
            "How a form's file in an input is sent: its bytes in Base64, or a download link."
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
            "Set this if only flowbridge starts this flow. A matching run is then assumed to belong"
            " to a start that got no answer."
        ),
    )
    placeholder: bool = Field(
        False,
        description=(
            "Set by `flowbridge import` beside local/echo: checks and the status say that the flow"
            " is to be replaced. It means nothing beside another flow."
        ),
    )
    time_limit: Duration | None = Field(
        None, description="Local flows: how long a run may take before it is stopped."
    )
    memory: Memory | None = Field(
        None, description="Local flows: the memory that a run may use, in bytes or as 256MB."
    )
