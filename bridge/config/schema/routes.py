"""The keys of a route."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from bridge.config.schema.field_types import (
    Duration,
    RateOf,
    RunFailed,
    SchemaOf,
    StrictModel,
    Texts,
    require_text_or,
)
from bridge.config.schema.platforms import RunCap


class RetrySchema(StrictModel):
    """How often and at what intervals a delivery is retried."""

    attempts: Annotated[int, Field(ge=1, le=1000)] = Field(
        12, description="The maximum number of calls."
    )
    first: Duration = Field(5.0, description="The wait after the first call.")
    max: Duration = Field(21600.0, description="The longest wait.")


class DebounceSchema(StrictModel):
    """Merge events that follow each other closely; the last one is delivered."""

    wait: Duration = Field(description="How long to wait for the next event.")
    max: Duration | None = Field(None, description="How long the first event waits at most.")
    key: str | None = Field(
        None,
        description="An expression: only events with the same value are merged.",
    )


class RouteSchema(StrictModel):
    """Which events go to which flow, in what shape."""

    name: str = Field(description="The route's name: a-z 0-9 _ -")
    on: Texts | None = Field(
        None, description="SOURCE, or SOURCE TYPE, TYPE…; * in a type matches any text."
    )
    source: str | None = Field(
        None,
        description="The long form of `on`: the source here, the types in `match: {event: …}`.",
    )
    match: dict[str, Any] | None = Field(
        None,
        description=(
            "Dotted paths and their expected values: a value, a list of values, or operators."
        ),
    )
    when: str | None = Field(None, description="A condition, as a JMESPath expression.")
    payload_schema: SchemaOf | None = Field(
        None, description="JSON Schema of the payload: a file or inline."
    )
    inputs: Annotated[
        Any,
        AfterValidator(
            lambda value: require_text_or(
                value, dict, "a mapping of inputs, or one ${…} that gives an object"
            )
        ),
        WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string", "pattern": r"^\$\{"}]}),
    ] = Field(
        None,
        description=("The flow's inputs, with ${…}; or one ${…} that gives them all."),
    )
    inputs_schema: SchemaOf | None = Field(
        None, description="JSON Schema of the inputs: a file or inline."
    )
    flow: Texts = Field(
        description=(
            "The name of a flow, or PLATFORM/SAVED_ITEM_ID; or a list of them, each with its own"
            " delivery."
        )
    )
    mode: Literal["live", "paused", "shadow"] = Field(
        "live",
        description=(
            "paused: planned, and not sent until the route is live; shadow: planned, never sent."
        ),
    )
    strict: bool = Field(False, description="A null input is an error.")
    reserved: Literal["refuse", "drop"] = Field(
        "refuse", description="What happens to inputs with names the platform reserves."
    )
    delay: Duration | None = Field(None, description="How long a delivery waits before it is sent.")
    debounce: DebounceSchema | None = Field(
        None, description="Merge events that follow each other closely: the last one is delivered."
    )
    order_by: str | None = Field(
        None,
        description=(
            "An expression: deliveries with the same value are sent one at a time, in the order of"
            " their events."
        ),
    )
    order_until: Literal["run_end", "delivered"] = Field(
        "run_end",
        description=(
            "When the next delivery is sent: when the run has ended, or when it has started."
        ),
    )
    on_dead: Literal["pass", "block"] = Field(
        "pass",
        description=(
            "What a dead delivery does to later deliveries of its key: lets them pass, or blocks"
            " them."
        ),
    )
    rate: RateOf | None = Field(
        None, description="The rate of starts, spread evenly, such as 30/min."
    )
    max_runs_per_day: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        None, description="Starts per day (UTC); further deliveries wait for the next day."
    )
    max_concurrent_runs: RunCap | None = Field(
        None, description="Concurrent runs of this route, within the cap of its platform."
    )
    retry: RetrySchema = Field(
        default_factory=lambda: RetrySchema.model_validate({}),
        description="How many calls to make, and how long to wait between them.",
    )
    on_unknown: Literal["reconcile", "hold", "retry"] | None = Field(
        None,
        description=(
            "What to do after a start that got no answer: `reconcile` looks for its run, `hold`"
            " waits for you, `retry` starts again, which may make two runs."
        ),
    )
    on_run_failed: RunFailed = Field(
        ("ignore", 0),
        description=(
            "What to do after a failed run: nothing, make the delivery a dead letter, or repeat the"
            " run up to N times (`retry: 3`)."
        ),
    )
    run_timeout: Duration = Field(
        3600.0, description="How long a run may take before its slot is freed."
    )
