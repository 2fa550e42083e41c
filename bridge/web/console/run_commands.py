"""The command that starts a flow by hand. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Final

from bridge.core.model import JSON
from bridge.delivery.platforms.model import InputNode

TEXT_EXAMPLE: Final = "TEXT"
#: How the annotation of a parameter begins -> an example of its values. Others are text.
EXAMPLES: Final[dict[str, JSON]] = {
    "int": 1,
    "float": 1.5,
    "bool": True,
    "list": [],
    "dict": {},
}


def write_run_command(flow: str, inputs: Sequence[InputNode]) -> str:
    """Return the command that starts a flow, with an example of each input that it requires."""
    examples = {node.name: _find_example(node) for node in inputs if node.required}
    words = ["flowbridge", "flows", "run", flow]
    if all(isinstance(example, str) for example in examples.values()):
        for name, example in examples.items():
            words += ["--input", f"{name}={example}"]
    else:
        words += ["--json-input", json.dumps(examples, separators=(",", ":"))]
    return shlex.join(words)


def _find_example(node: InputNode) -> JSON:
    annotation = node.annotation or ""
    return next(
        (example for start, example in EXAMPLES.items() if annotation.startswith(start)),
        TEXT_EXAMPLE,
    )
