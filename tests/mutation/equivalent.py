"""Generated mutants that no test can notice, by their id, with the reason.

A line that is changed has another id, so its reason is reviewed again.
"""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {
    # bridge/store/blobs.py
    "04ff5600e4": (
        "`_keep` has made the folder above just before, so `parents` of `_write` makes nothing"
    ),
    "0ebc37bd66": "the path is always that of a folder; O_DIRECTORY only refuses anything else",
    "46af7db352": "a longer random part of a draft's name",
    # bridge/delivery/reconcile.py
    "2e56adc903": (
        "only a step of more than a minute is said, and of those just the ones forward are greater"
        " than -1"
    ),
    # bridge/store/queue/claims.py
    "75fbb83581": "a route without room is asked for no delivery and takes none",
    "f2bf53b702": "a route without room is asked for no delivery and takes none",
    # bridge/store/db/group_commit.py
    "034ced5727": (
        "a commit for 63 callers is worth as much as one for 64: whoever does not fit is in the"
        " next"
    ),
    "17bd0bf08d": "there is one job here, the first and the last",
    "17f57dd781": "any number below 0 says that there is no descriptor",
    "19d9961197": "all are the same as the first where all are the same as the last",
    "2c64e8e154": (
        "closing waits a second longer for a commit that does not end, and leaves the connection"
        " open all the same"
    ),
    "369cafb3a7": "all are the same as the first, so the last is None where the first is",
    # bridge/store/queue/ledger.py
    "7f42c82599": "`ordering.leave_queue` passes over a delivery without an order",
    # bridge/store/queue/reconcile.py
    "2b544591ea": (
        "a platform's clock is compared only where it was told, and no platform tells second 0 of"
        " 1970"
    ),
    "746399e3cf": "`followed` counts for what is delivered; here it is dead or queued",
    "4578400bc3": (
        "each verdict begins with a compare-and-set on what was read, which waits for the same row"
    ),
    # bridge/worker/worker.py
    "0aca3944f4": (
        "what is due at the last moment of the wait keeps it from being idle, so nothing is missed"
    ),
    "2c9c372d3d": "the boot clock never shows less than 0",
    "3b47214f88": "a heartbeat at second 0 or -1 after the boot is before every attempt",
    "45b2f1afc3": (
        "no worker runs in the first second after the boot, so second 1 is past, as second 0 is"
    ),
}
