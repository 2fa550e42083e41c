"""Values of `pins:` in routes.yaml, which a valid signature alone does not prove. Pure.

Anyone can get Amazon's or Google's signature on their own messages: the topic, audience or account
must be pinned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bridge.core.errors import BadSignature
from bridge.providers.signatures.scheme import Scheme

MAX_PIN_VALUES = 100  # values of one pin
Pinned = tuple[tuple[str, tuple[str, ...]], ...]  # names and values, as a scheme holds them


@dataclass(frozen=True, slots=True)
class Pin:
    """One value that a source can pin: its `name` in routes.yaml, and a description `what`.

    `at`: its place in the request (a locator; in a token the name of a claim), empty if it is only
    part of the signed text or of a URL, and has one value. `choices`: the allowed values, of which
    the first is the default; without them it is free text.
    """

    name: str
    what: str
    at: str = ""
    required: bool = True
    choices: tuple[str, ...] = ()


def pins_of(scheme: Scheme | None) -> tuple[Pin, ...]:
    """Return the pins of a scheme."""
    pins: tuple[Pin, ...] = getattr(scheme, "pins", ())
    return pins


def with_pins(scheme: Scheme, source_pins: Mapping[str, str | Sequence[str]]) -> Scheme:
    """Return `scheme` with the values of a source's `pins:`. Raise ValueError for invalid ones."""
    pins = {pin.name: pin for pin in pins_of(scheme)}
    if not pins and not source_pins:
        return scheme
    for name in source_pins:
        if name not in pins:
            raise ValueError(f"{name!r} cannot be pinned; allowed: {', '.join(pins) or 'nothing'}")
    values: dict[str, tuple[str, ...]] = {}
    for pin in pins.values():
        value = source_pins.get(pin.name, ())
        values[pin.name] = _checked(pin, (value,) if isinstance(value, str) else tuple(value))
    record: Any = scheme
    bound: Scheme = replace(
        record, pinned=tuple((name, value) for name, value in values.items() if value)
    )
    return bound


def _checked(pin: Pin, values: tuple[str, ...]) -> tuple[str, ...]:
    if not values and pin.required:
        raise ValueError(f"needs {pin.name}: {pin.what}")
    if any(not value.strip() for value in values) or len(values) > MAX_PIN_VALUES:
        raise ValueError(
            f"{pin.name} must be text that is not empty, or a list of at most {MAX_PIN_VALUES}"
        )
    if len(values) > 1 and not pin.at:
        raise ValueError(f"{pin.name} has one value, found {len(values)}")
    if pin.choices and not set(values) <= set(pin.choices):
        raise ValueError(f"{pin.name} must be one of {', '.join(pin.choices)}")
    return values or pin.choices[:1]


def pinned_values(pins: Sequence[Pin], values: Pinned) -> dict[str, tuple[str, ...]]:
    """Return the values of every pin. Raise BadSignature if a required one is missing."""
    pinned = dict(values)
    for pin in pins:
        if not pinned.get(pin.name):
            if pin.required:
                raise BadSignature("not_pinned")
            pinned[pin.name] = pin.choices[:1]
    return pinned
