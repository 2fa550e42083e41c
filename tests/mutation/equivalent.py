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
    # bridge/worker/loop.py
    "02200a9eda": "a claim of no deliveries takes none",
    "05b2715541": "a thread is begun a moment later: a matter of speed",
    "08180f51c3": "the time between two looks at the queue is a matter of speed: whoever queues something rings",
}
