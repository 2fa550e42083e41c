"""What the sentence of a chart of counts says about its rate and its highest step. Pure."""

from __future__ import annotations

from bridge.core.units import DAY, HOUR


def describe_counts(total: float, highest: float, *, step: float, seconds: float = 0.0) -> str:
    """Return the average of the steps and the highest of them, where they say more than the total.

    `highest`: the count of the highest step; `step`: the seconds of each step; `seconds`: of all
    steps, 0 to leave out the average.
    """
    if total <= 1:
        return ""
    if highest == total:
        return f", all in {_name_step(step)}"
    return f"{_describe_average(total, seconds)}, at most {highest:,.0f} in {_name_step(step)}"


def _describe_average(total: float, seconds: float) -> str:
    for unit, name, lowest, digits in (
        (1.0, "a second", 0.1, 1),
        (HOUR, "an hour", 10.0, 0),
        (HOUR, "an hour", 1.0, 1),
        (DAY, "a day", 0.0, 1),
    ):
        if seconds < 2 * unit:
            break  # the average of less than two hours or days is about the total
        if (rate := total / seconds * unit) >= lowest:
            return f", {rate:,.{digits}f} {name} on average"
    return ""


def _name_step(step: float) -> str:
    minutes = round(step / 60)
    if minutes < 60:
        return "a minute" if minutes == 1 else f"{minutes} minutes"
    return "an hour" if minutes == 60 else f"{minutes // 60} hours"
