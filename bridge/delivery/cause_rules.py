"""The table of causes: patterns over the reasons that flowbridge writes for dead deliveries. Pure.

A label contains only the rule's own words and groups that match a closed set, or names from
routes.yaml and schemas. It quotes neither payloads nor logs nor texts of a platform.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bridge.core.model import DeadKind
from bridge.delivery.file_transfer import NO_PUBLIC_URL

FIX_ROUTES: Final = "fix routes.yaml, then replay"
FIX_SCHEMA: Final = "fix payload_schema in routes.yaml, or the sender, then replay"
FIX_INPUTS: Final = "fix inputs or inputs_schema in routes.yaml, then replay"
FIX_REFUSED: Final = "fix the inputs or the flow in routes.yaml, then replay"
FIX_PLATFORM: Final = "fix the platform's settings in routes.yaml, then retry"
FIX_FLOW: Final = "fix the flow, then retry"
FIX_KEYS: Final = "set the missing encryption key, then retry"
FIX_TIMEOUT: Final = "increase the platform's timeout, then retry"
RETRY: Final = "retry once the platform accepts it"
RETRY_NOW: Final = "retry"
NO_ADVICE: Final = "nothing, or retry"

_TYPE: Final = (
    r"(?:array of )?(?:string|number|boolean|array|object|null|expression|unknown)"
    r"(?:(?: and | or )(?:array of )?(?:string|number|boolean|array|object|null|expression|any))*"
)
#: The ends of the texts of expression errors; a number in them is a limit.
_EXPRESSION_PROBLEMS: Final = (
    rf"is {_TYPE}, needs {_TYPE}",
    "cannot be evaluated on this value",
    "produces too much output",
    "the value is nested too deep",
    "cannot order amounts in two currencies",
    "a text of more than [0-9]+ characters",
    "no such time zone",
    "a time outside the years 1 to 9999",
    "a text that is not an ISO 8601 time",
    "a format of more than [0-9]+ characters",
    "a format with an unknown % directive",
    "a time or format that cannot be used",
    "a text that is not a time of that format",
    "needs keys that are all numbers or all strings",
    "an array of more than [0-9]+ elements",
    "a value that JSON cannot represent",
    "the text to replace is empty",
    "the separator is empty",
    "more than [0-9]+ parts",
    "the length must be a whole number, 0 or more",
    "a text that is not valid Unicode",
    "a text that is not base64 of UTF-8",
    "a number that is not finite",
    "a number out of range",
    "division by zero",
    "digits must be a whole number from -?[0-9]+ to [0-9]+",
    "the currency is not a code of three letters",
    "the amount is not a whole number of minor units",
    "only files of forms have links",
    "the object is not one of the event's files",
)
_EXPRESSION: Final = (
    rf"(?:.*[`:)] )?(?:[a-z_]+ )?(?P<problem>{'|'.join(_EXPRESSION_PROBLEMS)})"
    rf"(?: \(use default\(\) for a missing value\)| \(in `.*`\)|, found {_TYPE}){{0,2}}"
)
_INPUT: Final = r"input `(?P<name>[^`]{1,200})`"
# a path in a value; `causes` replaces indexes and quoted names, which are of the payload
_PATH: Final = r"(?P<path>\$(?:\.[A-Za-z_]\w*|\[[0-9]+\]|\['(?:[^'\\]|\\.)*'\])*)"
_LACKS: Final = rf"{_PATH}: '(?P<missing>[A-Za-z_]\w{{0,59}})' is a required property(?:; .*)?"
#: Error codes of the flow API, the only words of a platform that a label may contain.
_CODES: Final = (
    "conflicting_parameters|file_lost|file_not_found|forbidden|invalid_json|invalid_parameter"
    "|missing_parameter|not_found|rate_limit|storage_full|too_large|unauthorized|unavailable"
)
_EXCEPTIONS: Final = "|".join(
    sorted(
        name
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    )
)
_FAILED: Final = r"(?:its run failed|gave up after [0-9]+ runs? that failed): "


@dataclass(frozen=True, slots=True)
class CauseRule:
    """One row of the table.

    The pattern matches a whole reason, and the label and the detail of the key may name its groups.
    """

    key: str
    pattern: re.Pattern[str]
    label: str
    advice: str
    detail: str = ""


def _rule(key: str, pattern: str, label: str, advice: str, detail: str = "") -> CauseRule:
    return CauseRule(key, re.compile(pattern, re.DOTALL), label, advice, detail)


#: The rules of each kind of dead deliveries; the first that matches wins.
RULES: Final[Mapping[DeadKind, tuple[CauseRule, ...]]] = {
    DeadKind.OURS: (
        _rule(
            "payload_schema",
            rf"the payload does not fit payload_schema: {_LACKS}",
            "the payload does not fit payload_schema: {path} lacks {missing}",
            FIX_SCHEMA,
            "{path}.{missing}",
        ),
        _rule(
            "payload_schema",
            rf"the payload does not fit payload_schema: {_PATH}(?:: |.*…: ).*",
            "the payload does not fit payload_schema: {path}",
            FIX_SCHEMA,
            "{path}",
        ),
        _rule(
            "inputs_schema",
            rf"the inputs do not fit inputs_schema: {_LACKS}",
            "the inputs do not fit inputs_schema: {path} lacks {missing}",
            FIX_INPUTS,
            "{path}.{missing}",
        ),
        _rule(
            "inputs_schema",
            rf"the inputs do not fit inputs_schema: {_PATH}(?:: |.*…: ).*",
            "the inputs do not fit inputs_schema: {path}",
            FIX_INPUTS,
            "{path}",
        ),
        _rule(
            "inputs_not_an_object",
            "inputs must be an object, but the expression gave .*",
            "inputs is not an object",
            FIX_ROUTES,
        ),
        _rule(
            "reserved",
            "the inputs use names that the platform reserves: .*",
            "the inputs use names that the platform reserves",
            "rename the inputs or set reserved: drop, then replay",
        ),
        _rule(
            "strict",
            rf"{_INPUT} is null, and the route is strict",
            "input {name} is null, and the route is strict",
            FIX_ROUTES,
            "{name}",
        ),
        _rule(
            "key",
            "the value of (?P<name>order_by|debounce) cannot be a key: .*",
            "the value of {name} cannot be a key",
            FIX_ROUTES,
            "{name}",
        ),
        _rule(
            "expression",
            rf"{_INPUT}: {_EXPRESSION}",
            "expression of input {name}: {problem}",
            FIX_ROUTES,
            "{name}:{problem}",
        ),
        _rule("expression", _EXPRESSION, "expression: {problem}", FIX_ROUTES, "{problem}"),
    ),
    DeadKind.PLATFORM: (
        _rule(
            "redirect",
            r"HTTP 3[0-9]{2}: a redirect, .*",
            "the platform answered with a redirect",
            "fix the platform's base_url (or url), then retry",
        ),
        _rule(
            "answer",
            r"HTTP 2[0-9]{2}: the answer (?:is|has) (?P<what>cut off|not JSON"
            "|without a usable run_id|no file name)",
            "the platform's answer is unusable: {what}",
            RETRY,
            "{what}",
        ),
        _rule(
            "another_flow",
            r"HTTP [0-9]{3}: the platform returned the run .*",
            "the platform returned a run of another flow",
            RETRY,
        ),
        _rule(
            "unknown_flow",
            r"HTTP (?:400|404) unknown_flow(?:: .*)?",
            "the platform does not know the flow",
            "fix the flow's saved_item_id in routes.yaml, then replay",
        ),
        _rule(
            "http",
            rf"HTTP (?P<status>[0-9]{{3}})(?: (?P<code>{_CODES}))?(?:: .*)?",
            "HTTP {status} {code}",
            "",
            "{status}:{code}",
        ),
        # a code that is not in the table may quote the inputs
        _rule("http", r"HTTP (?P<status>[0-9]{3}) .*", "HTTP {status}", "", "{status}"),
        _rule(
            "no_answer",
            r"(?:[^ ]+: )?no (?P<what>answer|connection)(?: within [0-9.]+ s)?",
            "no {what} in time",
            RETRY,
            "{what}",
        ),
        _rule(
            "connection",
            r"(?:[^ ]+: )?(?P<what>the connection was (?:refused|reset|closed before an answer)"
            "|TLS failed|the proxy failed|the answer is not HTTP)",
            "{what}",
            RETRY,
            "{what}",
        ),
        _rule(
            "address",
            r"(?:[^ ]+: )?(?P<what>the name was not found|the certificate is not trusted"
            "|the URL is not valid|the request is not valid)(?:: .*)?",
            "{what}",
            FIX_PLATFORM,
            "{what}",
        ),
        _rule("timeout", "the attempt ran out of time", "the attempt ran out of time", FIX_TIMEOUT),
        _rule(
            "suspended",
            "the call was not made: this process was suspended until its lease was lost",
            "the process was suspended",
            RETRY_NOW,
        ),
        _rule(
            "bug",
            "the call failed because of a bug in flowbridge",
            "a bug in flowbridge",
            "report it, then retry",
        ),
        _rule(
            "interrupted",
            "(?:the worker died|flowbridge was stopped) while the call was under way",
            "flowbridge ended while the call was under way",
            RETRY_NOW,
        ),
        _rule(
            "key_missing",
            r"(?:delivery|event|attempt|local_run)\.[a-z_]+ of .* is encrypted with (?:the key .*,"
            " which [A-Z_]+ does not contain|a missing key)",
            "its inputs are encrypted with a missing key",
            FIX_KEYS,
        ),
        _rule(
            "changed_row",
            r"(?:delivery|event|attempt|local_run)\.[a-z_]+ of .* cannot be decrypted: .*",
            "its inputs cannot be decrypted",
            "restore the database from a backup, or replay",
        ),
        _rule(
            "file_missing",
            "the bytes of .* are not in the data folder of this machine",
            "a file of the event is missing on this machine",
            "restore the data folder, then retry",
        ),
        _rule(
            "file_time",
            "(?:no time was left to upload .*|transferring the files left no time for the start):"
            " increase the platform's `timeout`",
            "transferring the files took too long",
            FIX_TIMEOUT,
        ),
        _rule(
            "file_link",
            re.escape(NO_PUBLIC_URL),
            "links to files need FLOWBRIDGE_PUBLIC_URL",
            "set FLOWBRIDGE_PUBLIC_URL, then retry",
        ),
        _rule(
            "file_memory",
            "the files of other deliveries filled the memory until the call timed out",
            "too many files were sent at once",
            RETRY_NOW,
        ),
        _rule(
            "store_failed",
            "the store failed when it was asked for the files",
            "the store failed",
            RETRY_NOW,
        ),
        _rule(
            "run_time",
            rf"{_FAILED}The run was over its time limit of [0-9.e+]+ s\.",
            "run failed: over its time limit",
            "increase the flow's time_limit or fix the flow, then retry",
        ),
        _rule(
            "run_memory",
            rf"{_FAILED}MemoryError: over its memory limit of .*",
            "run failed: over its memory limit",
            "increase the flow's memory or fix the flow, then retry",
        ),
        _rule(
            "run_process",
            rf"{_FAILED}The flow's process (?P<what>died|ended)[: ].*",
            "run failed: its process {what}",
            FIX_FLOW,
        ),
        _rule(
            "run_interrupted",
            rf"{_FAILED}(?:flowbridge was stopped|its supervisor process died)",
            "run failed: it was interrupted",
            RETRY_NOW,
        ),
        _rule(
            "run_error",
            rf"{_FAILED}(?P<error>{_EXCEPTIONS})(?:: .*)?",
            "run failed: {error}",
            FIX_FLOW,
            "{error}",
        ),
        _rule(
            "run_failed",
            r"(?:its run failed|gave up after [0-9]+ runs? that failed)(?:: .*)?",
            "run failed",
            FIX_FLOW,
        ),
        _rule(
            "run_terminated",
            r"its run was terminated(?:: .*)?",
            "run terminated",
            "retry, if wanted",
        ),
        _rule("upload", "was not uploaded", "a file was not uploaded", RETRY),
        _rule(
            "no_run",
            "no run found afterwards",
            "no answer, and no run found afterwards",
            RETRY,
        ),
    ),
    DeadKind.PERSON: (
        _rule(
            "given_up", r"resolved as dead by a person(?:: .*)?", "given up by a person", NO_ADVICE
        ),
    ),
}
#: What to do about an HTTP status; by its class for others.
ADVICE_BY_STATUS: Final[Mapping[int, str]] = {
    401: FIX_PLATFORM,
    403: "fix the permissions of the credentials on the platform, then retry",
    404: "fix the platform's base_url or the flow in routes.yaml, then replay",
    408: RETRY,
    425: RETRY,
    429: RETRY,
}
ADVICE_BY_STATUS_CLASS: Final[Mapping[int, str]] = {4: FIX_REFUSED}
#: Texts around another reason. The cause is that of `inner`, or of `outer` if `inner` has none.
GAVE_UP: Final = re.compile(r"gave up after [0-9]+ attempts?: (?P<inner>.*)", re.DOTALL)
WRAPPERS: Final = (
    GAVE_UP,
    re.compile(r"(?P<inner>.+); (?P<outer>no run found afterwards)(?:: sent again)?", re.DOTALL),
    re.compile(r".* (?P<outer>was not uploaded): (?P<inner>.*)", re.DOTALL),
)
