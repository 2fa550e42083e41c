"""What a form carries beside its fields, against bots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from bridge.core.model import JSON
from bridge.routing.model import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenParts:
    """Names and values of hidden inputs, the honeypot's name (empty: none), and what has the
    browser work.

    `widget` is HTML that goes before the button, `scripts` are URLs of what it needs, and `policy`
    is what these need of the page's Content-Security-Policy, by directive. `needs_script`: without
    JavaScript a submission is held as spam, so the form has no usable button until a script shows
    it.
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    honeypot: str = ""
    widget: Markup = Markup()  # noqa: RUF009 - it cannot be changed
    scripts: tuple[str, ...] = ()
    policy: Mapping[str, str] = field(default_factory=dict)
    needs_script: bool = False


#: Gives what a form carries on a page of ours: null for a new form, else the control fields of what
#: is sent back.
Parts = Callable[[Source, Mapping[str, JSON] | None], HiddenParts]
