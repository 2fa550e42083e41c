"""Limits of a process that works on untrusted data: memory, processor time and output."""

from __future__ import annotations

import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.system.linux_process import die_with_parent
from bridge.system.priority import lower_priority

LIMITED_NICENESS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessLimits:
    """The most that a process may use.

    `grace_seconds`: processor seconds between SIGXCPU, which ends it by default, and SIGKILL.
    """

    memory_bytes: int
    cpu_seconds: int
    output_bytes: int
    grace_seconds: int = 0


def limit_process(limits: ProcessLimits) -> None:
    """Limit this process; get low priority, and be the first to be OOM-killed."""
    die_with_parent()
    lower_priority(LIMITED_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    for which, soft, hard in (
        (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
        (
            resource.RLIMIT_CPU,
            limits.cpu_seconds,
            limits.cpu_seconds + limits.grace_seconds,
        ),
        (resource.RLIMIT_FSIZE, limits.output_bytes, limits.output_bytes),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        _, allowed = resource.getrlimit(which)
        maximum = hard if allowed == resource.RLIM_INFINITY else min(hard, allowed)
        resource.setrlimit(which, (min(soft, maximum), maximum))
