"""Names the keys of an event and of a delivery as JSON, in their order."""

from __future__ import annotations

EVENT_KEYS = (
    "id source provider type provider_id received_at problem config_hash body_sha256 same_body_as"
    " duplicates sender_retry files spam client deliveries"
)
DELIVERY_KEYS = (
    "id event_id route flow platform status reason attempts throttled run_id run_url run_state"
    " outputs created_at due_at delivered_at finished_at dead_kind order_key merged_into reruns"
)
