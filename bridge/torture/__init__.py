"""A black-box harness that kills a bridge under load and accounts for every event.

The straight line: `plan` (how long, what) ─ `scenarios` (routes.yaml, flows.py) ─ `run` (prepare, load
and acts, drain, stop) ─ `accounting` (what was sent, what the store has, what the platform
executed) ─ `certificate`. What is sent is remembered by `load`; what was started is written down by
`platform`, a process that knows nothing of the bridge.
"""
