"""What verifying costs: each provider's sample, signed as its row says and padded to a size, over
hashing its body alone.

python bench/verify.py [--size 4096]
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from timeit import repeat

import rig

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from senders import Sender, chosen, senders
from signing import NOW

from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.scheme import Secret

TIMES = 300


def microseconds(call: Callable[[], object]) -> float:
    call()
    return min(repeat(call, number=TIMES, repeat=5)) / TIMES * 1e6


def measured(sender: Sender, size: int) -> float:
    """Microseconds to verify a good request of `sender`, less those of one SHA-256 of the body."""
    bare = sender.request()
    if "json" in bare.content_type and bare.body[:1] == b"{":
        bare = replace(bare, body=bare.body.ljust(size))
    request = sender.sign(bare)
    secrets = [Secret(sender.secret)]
    cost = microseconds(lambda: sender.scheme.verify(request, secrets, NOW))
    return cost - microseconds(lambda: hashlib.sha256(request.body).digest())


def kind(sender: Sender) -> str:
    """What checks the sender's usual secret."""
    scheme = chosen(sender)[0]
    algorithm = getattr(scheme, "algorithm", "")
    return f"{type(scheme).__name__} {algorithm}".strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096, help="bytes of a JSON body")
    size = parser.parse_args().size
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for sender in (sender for name in PROVIDERS for sender in senders(name)):
        if sender.is_proven:
            found[kind(sender)].append((measured(sender, size), sender.row.name))
    print(
        f"µs over hashing a body of {size} bytes; {rig.machine()}\n\n| kind | providers | median |"
        " most | of |\n|---|---|---|---|---|"
    )
    for what, costs in sorted(found.items()):
        most, name = max(costs)
        print(
            f"| {what} | {len(costs)} | {rig.median([cost for cost, _ in costs]):.1f} | {most:.1f}"
            f" | {name} |"
        )


if __name__ == "__main__":
    main()
