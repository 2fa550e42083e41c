"""Generated mutants that no test can notice, by their id, with the reason.

A line that is changed has another id, so its reason is reviewed again.
"""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {
    # bridge/blobs.py
    "04ff5600e4": "`_keep` has made the folder above just before, so `parents` of `_write` makes nothing",
    "0ebc37bd66": "the path is always that of a folder; O_DIRECTORY only refuses anything else",
    "46af7db352": "a longer random part of a draft's name",
    # bridge/store/claims.py
    "080bb3ae07": "a route without room is asked for no delivery and takes none",
    "0d03b7870a": "a route without room is asked for no delivery and takes none",
    # bridge/store/group.py
    "034ced5727": "the greatest batch is a matter of speed: what does not fit goes into the next commit",
    "17bd0bf08d": "there is one job here, the first and the last",
    "17f57dd781": "any number below 0 says that there is no descriptor",
    "19d9961197": "all are the same as the first where all are the same as the last",
    "369cafb3a7": "all are the same as the first, so the last is None where the first is",
    # bridge/store/ledger.py
    "18ffe3a3ce": "`lines.leave` passes over a delivery without an order",
    # bridge/worker/loop.py
    "02200a9eda": "a claim of no deliveries takes none",
    "05b2715541": "a thread is begun a moment later: a matter of speed",
    "1d81b1b052": "the time between two heartbeats is a matter of speed while a lease holds for more than two",
    "2054d4e2fd": "the loop that waits for the end of the calls does not rest: a matter of speed",
    "2c9c372d3d": "a second before 1970 is past, as second 0 is",
    "34685e3ce6": "the loop does not rest while calls wait for a thread: a matter of speed",
    "2310f2d51e": "what the configuration allows is worked out again at each turn: a matter of speed",
    "232235a29b": "a look that is overdue by less than a second is waited for with no wait, not with `idle`: a matter of speed",
    "2431ea0323": "second 1 of 1970 is past, as second 0 is",
    "08180f51c3": "the time between two looks at the queue is a matter of speed: whoever queues something rings",
}
