"""Generated mutants that no test can notice, by their id, with the reason.

A line that is changed has another id, so its reason is reviewed again.
"""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {
    # bridge/store/blobs.py
    "0e7cc2b9ac": (
        "`_store_at` has made the folder above just before, so `parents` of `_write` makes nothing"
    ),
    "8c7ba22738": "the path is always that of a folder; O_DIRECTORY only refuses anything else",
    "02174034db": (
        "a draft that is gone was swept, and then the rename has raised the same FileNotFoundError"
    ),
    "123f4f2fab": (
        "the path is always that of a folder, and Python opens each file as close-on-exec"
    ),
    "2f3c617997": "O_RDONLY is 0, and the path is always that of a folder",
    "af566caf75": "a shorter random part of a draft's name, beside the id of the process",
    # bridge/delivery/reconcile_verdict.py
    "2e56adc903": (
        "only a step of more than a minute is said, and of those just the ones forward are greater"
        " than -1"
    ),
    # bridge/store/queue/claim_round.py
    "75fbb83581": "a route without room is asked for no delivery and takes none",
    # bridge/store/db/group_commit.py and commit_queue.py
    "04b9e9c672": (
        "the limit of 1,000 items is then reached earlier, and the next commit stores the rest"
    ),
    "465c2c98e6": (
        "a commit then stores at most 999 items instead of 1,000, and the next one stores the rest"
    ),
    "092133688b": "descriptor 0 is standard input, which no process of flowbridge closes",
    "0db27e2fde": "descriptor 0 is standard input, which no process of flowbridge closes",
    "318a14dd60": "all jobs have the same here, so the last has what the first has",
    "1c78d8d859": (
        "a commit for 63 callers is worth as much as one for 64: whoever does not fit is in the"
        " next"
    ),
    "17bd0bf08d": "there is one job here, the first and the last",
    "65252ea481": "any number below 0 says that there is no descriptor",
    "19d9961197": "all are the same as the first where all are the same as the last",
    "369cafb3a7": "all are the same as the first, so the last is None where the first is",
    # bridge/store/queue/circuit_updates.py
    "9a7a602ef0": "an allowance is never below 0, so each is at least a cap of -1, as of 0",
    # bridge/store/queue/ledger.py
    "7f42c82599": "`ordering.leave_queue` passes over a delivery without an order",
    # bridge/store/queue/reconcile.py
    "08a39f2407": "the state of the run, which is stored next, sets `poll_at` again",
    "746399e3cf": "`followed` counts for what is delivered; here it is dead or queued",
    "bcef47c22e": (
        "each verdict begins with a compare-and-set on what was read, which waits for the same row"
    ),
    # bridge/store/queue/unknown_starts.py
    "6d26776aae": (
        "a platform's clock is compared only where it was told, and no platform tells second 0 of"
        " 1970"
    ),
    # bridge/worker/cycle.py
    "bd3fcc3a1b": (
        "no worker runs in the first second after the boot, so second 1 is past, as second 0 is"
    ),
    "e8fa13d964": (
        "no worker runs in the first second after the boot, so second 1 is past, as second 0 is"
    ),
    # bridge/worker/turn.py
    "8a9478ba2c": "a heartbeat at second 0 or 1 after the boot is before every attempt",
    # bridge/system/http_*.py
    "0214b6123b": "the answer is freed with the error, which closes its file: nothing else has it",
    "1cf0e7a175": "one host more whose idle connections are open",
    "086c1a35b7": (
        "an error has one chain of causes, each in several places; the last place has all of them"
    ),
    "1c2e872c94": "a piece of 255 KiB is read as well as one of 256",
    "243af3bad7": "a line of one byte more is too long, too",
    # bridge/web/server/event_loop/
    "016802d4ea": "the size of a chunk is read before anything of it",
    "0168114f45": "a listener holds 32 KiB more than 32 MiB of bodies",
    "01c5c66c0b": "a body is large from 255 KiB on",
    "023115b12f": "the timer fires a thousandth earlier, and is set again for the rest",
    "051d800abb": "asyncio makes a socket that it gets non-blocking",
    "085443d999": "no route depends on the length of the body",
    # bridge/store/db/
    "00776d3721": "19 threads at once have a connection to SQLite, not 20",
    # bridge/worker/
    "009ce56c3d": "a job runs every 601 seconds, not every 600",
    "01f11d3427": "second 1 of 1970 is past, as second 0 is",
    "0380e510ee": "descriptor 0 is standard input, which no process of flowbridge closes",
    "03921ff53b": "a result that was just put is enough, and a wake-up too many only makes a turn",
    "03b96df71a": "nothing is given back below 64.06 MiB, not below 64",
    "040072cff6": "a job runs every 61 seconds, not every 60",
}
