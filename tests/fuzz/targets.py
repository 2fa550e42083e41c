"""The targets by name. Each is a function of the bytes of one input, which raises for a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fuzz import heads, planning, readers, rows

TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "bodies": readers.bodies,
    "submissions": readers.submissions,
    "parts": readers.parts,
    "depths": readers.depths,
    "heads": heads.heads,
    "signatures": rows.signatures,
    "unsigned": rows.unsigned,
    "plans": planning.plans,
    "masks": planning.masks,
}
