"""flows.lock: the inputs that flows had when a person last looked, to notice later changes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.core.advice import name_command
from bridge.core.errors import BridgeError

if TYPE_CHECKING:
    from bridge.services.config_checks.live_flows import LiveFlow

LOCK_NAME: Final = "flows.lock"
LOCK_VERSION: Final = 1
MAX_LOCK_BYTES: Final = 4 * 1024 * 1024

LockedInputs = Mapping[str, Mapping[str, str]]  # by PLATFORM/FLOW: the type of each input


def write_lock(folder: Path, flows: Iterable[LiveFlow]) -> Path:
    """Write the inputs of all flows to flows.lock in a folder, and return its path.

    Raises `BridgeError` where a flow has no answer, or the file cannot be written.
    """
    live_flows = list(flows)
    unknown = sorted(flow.name for flow in live_flows if flow.inputs is None)
    file = folder / LOCK_NAME
    if unknown:
        raise BridgeError(f"{file} was not written: the inputs of {', '.join(unknown)} are unknown")
    document = {
        "version": LOCK_VERSION,
        "flows": {flow.name: inputs_of(flow) for flow in live_flows},
    }
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    new = file.with_name(f".{LOCK_NAME}.new")
    try:
        new.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o644), "w", encoding="utf-8") as opened:
            opened.write(text)
        new.replace(file)
    except OSError as error:
        raise BridgeError(f"cannot write {file}: {error.strerror}") from error
    return file


def read_lock(folder: Path) -> LockedInputs | None:
    """Return the inputs by flow, None without a flows.lock. `BridgeError` where it is no such."""
    file = folder / LOCK_NAME
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_LOCK_BYTES + 1)
        if len(raw) > MAX_LOCK_BYTES:
            raise ValueError
        document = json.loads(raw)
        flows = document["flows"]
        if document["version"] != LOCK_VERSION or not all(
            isinstance(kind, str) for inputs in flows.values() for kind in inputs.values()
        ):
            raise ValueError
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BridgeError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        lock = name_command("check", live=True, lock=True)
        raise BridgeError(f"{file} is not valid: `{lock}` writes it again") from None
    locked: LockedInputs = flows
    return locked


def find_changes(locked: LockedInputs, flows: Iterable[LiveFlow]) -> dict[str, str]:
    """Return a sentence for each flow whose inputs differ from flows.lock, by PLATFORM/FLOW."""
    changes = {}
    for flow in flows:
        before = locked.get(flow.name)
        if before is not None and flow.missing is not None:
            changes[flow.name] = f"the flow `{flow.name}` does not exist any more"
        if before is None or flow.inputs is None:
            continue
        now = inputs_of(flow)
        parts = [
            *(f"`{name}` is gone" for name in before if name not in now),
            *(f"`{name}` is new" for name in now if name not in before),
            *(
                f"`{name}` was a {before[name]} and is a {kind}"
                for name, kind in now.items()
                if name in before and before[name] != kind
            ),
        ]
        if parts:
            changes[flow.name] = (
                f"the inputs of the flow `{flow.name}` changed since {LOCK_NAME}:"
                f" {', '.join(parts)}"
            )
    return changes


def lock_digest(locked: LockedInputs) -> str:
    """Return a digest that differs for another flows.lock."""
    return sha256(json.dumps(locked, sort_keys=True).encode()).hexdigest()


def inputs_of(flow: LiveFlow) -> dict[str, str]:
    """Return the type of each input of a flow."""
    return {node.name: node.type for node in flow.inputs or ()}
