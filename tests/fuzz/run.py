"""Fuzz all targets, or some, for so many minutes in all: `python tests/fuzz/run.py --minutes 15
[TARGET …]`. See README.md.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "support")]
RUNS = re.compile(r"^(?:#|Done )(\d+)", re.MULTILINE)
FINDING = re.compile(r"^.*(?:Finding|Error|Exception|ALARM|timeout).*$", re.MULTILINE)
SLOWEST = 60  # seconds of one input, before libFuzzer calls it hung


@dataclass(frozen=True, slots=True)
class Result:
    """What a target came to."""

    name: str
    runs: int
    seconds: float
    finding: str | None
    input: Path | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, print a summary, and return 1 where anything was found."""
    from fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; without any, all")
    parser.add_argument("--minutes", type=float, default=15.0, help="for all targets together (15)")
    parser.add_argument(
        "--keep",
        type=Path,
        help="a folder for what is found and for the grown corpus (a new one in /tmp)",
    )
    chosen = parser.parse_args(arguments)
    names = chosen.targets or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"no target {sorted(unknown)[0]!r}; there are {', '.join(TARGETS)}")
    folder = chosen.keep or Path(tempfile.mkdtemp(prefix="flowbridge-fuzz-"))
    share = max(1, round(chosen.minutes * 60 / len(names)))
    results = [_fuzz(name, share, folder / name) for name in names]
    _print(results, folder)
    return 1 if any(one.finding for one in results) else 0


def _fuzz(name: str, seconds: int, folder: Path) -> Result:
    grown = folder / "corpus"
    grown.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={SLOWEST}",
        "-max_len=8192",
        "-rss_limit_mb=2048",
        "-print_final_stats=0",
    ]
    corpora = [str(grown), *(str(one) for one in [HERE / "corpus" / name] if one.is_dir())]
    command = [
        sys.executable,
        str(HERE / "one.py"),
        name,
        *corpora,
        f"-artifact_prefix={folder}/",
        *options,
    ]
    log = folder / "log"
    with log.open("wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False)
    said = log.read_text("utf-8", "replace")
    runs = [int(found) for found in RUNS.findall(said)]
    finding = None
    if done.returncode:
        found = [line.strip() for line in FINDING.findall(said)]
        finding = found[0] if found else f"ended with {done.returncode}"
    inputs = sorted(
        one
        for one in folder.iterdir()
        if one.name.startswith(("crash-", "timeout-", "oom-", "slow-unit-"))
    )
    return Result(
        name,
        max(runs, default=0),
        time.monotonic() - began,
        finding,
        inputs[-1] if finding and inputs else None,
    )


def _print(results: Sequence[Result], folder: Path) -> None:
    print(f"{'target':<12} {'inputs':>10} {'seconds':>8}  result")
    for one in results:
        print(
            f"{one.name:<12} {one.runs:>10} {one.seconds:>8.0f}  {one.finding or 'nothing found'}"
        )
        if one.input is not None:
            print(f"{'':<33}{one.input}")
    print(f"logs, inputs and the grown corpus: {folder}")


if __name__ == "__main__":
    sys.exit(main())
