"""The findings of the checks of a running bridge, and their summary by source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Final

from bridge.core.model import JSON
from bridge.services.samples.replay import REPLAY

#: The check of a good request, and the prefix of the checks of forgeries.
GOOD: Final = "good"
FORGED: Final = "forged "


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One check: its name, the source or address it is `of`, the result and the details.

    `result`: `ok`, `warning`, `error`, or `-` where the check could not be made.
    """

    check: str
    of: str
    result: str
    found: str

    def as_json(self) -> dict[str, JSON]:
        """Return the finding in the shape of `doctor --json`."""
        return asdict(self)


def find_untried(
    name: str, provider: str | None, missing: str | None, *, is_public: bool
) -> CheckFinding | None:
    """Return why a source is not tried with signed requests: its secret is not set, or it has none.

    None where it could be tried. `missing`: the secret that is not set.
    """
    if missing is not None:
        what = (
            f"not tested: {missing}. Set it in .env; until then requests that need it are answered"
            " 503"
        )
        return CheckFinding("secret", name, "error", what)
    if not is_public:
        return None
    if provider == "form":
        return CheckFinding("verified", name, "ok", "forms are public")
    return CheckFinding("verified", name, "warning", "insecure: anyone can send to it")


def sum_up(findings: Sequence[CheckFinding]) -> Iterator[CheckFinding]:
    """Yield the findings, with one for all signed requests to a source; failures stay beside it."""
    for of, some in groupby(
        findings, key=lambda finding: finding.of if _is_trial(finding) else None
    ):
        trials = list(some)
        if of is None:
            yield from trials
            continue
        yield from (trial for trial in trials if trial.result not in ("ok", "-"))
        if all(trial.result in ("warning", "-") for trial in trials):
            continue  # nothing was sent
        forged = [
            trial for trial in trials if trial.check.startswith(FORGED) and trial.result != "-"
        ]
        refused = sum(trial.result == "ok" for trial in forged)
        good = sum(trial.check == GOOD and trial.result == "ok" for trial in trials)
        fine = refused == len(forged) and good
        got = "a good request accepted" if good else "no good request accepted"
        yield CheckFinding(
            "requests",
            of,
            "ok" if fine else "error",
            f"forgeries {refused} of {len(forged)} refused, {got}",
        )


def describe_result(findings: Sequence[CheckFinding]) -> str:
    """Return the result of all findings, which claims only what was tried."""
    if bad := sum(finding.result == "error" for finding in findings):
        return f"{bad} failed"
    if any(finding.check == GOOD and finding.result == "ok" for finding in findings):
        return "good requests are accepted, forgeries refused"
    return "no source could be tried with a signed request"


def _is_trial(finding: CheckFinding) -> bool:
    return finding.check in (GOOD, REPLAY) or finding.check.startswith(FORGED)
