"""Events with the deliveries of a shadow route and of the route that it may replace."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from records import make_event

from bridge.config.loader import load
from bridge.core.model import Event
from bridge.ingest.receive import replan
from bridge.routing.model import Config
from bridge.store.db.database import Database
from bridge.store.inbound import events
from bridge.store.queries import configs

HEAD = """
version: 1
platforms: {local: {type: local}}
sources: {github: {provider: github, secret: "${env:NOT_SET}"}, crm: {provider: github, secret: "${env:NOT_SET}"}}
routes:
"""
OLD = '  - {name: triage, on: github issues, match: {body.old: true}, inputs: {n: "${body.n}"}, flow: local/echo}\n'
NEW = """  - name: triage-new
    on: github issues
    mode: shadow
    strict: true
    match: {body.new: true}
    inputs: {n: "${body.m}"}
    flow: local/echo
"""


def write_routes(folder: Path, routes: str) -> Config:
    file = folder / "routes.yaml"
    file.write_text(HEAD + routes)
    return load(file, {}, strict_secrets=False)


def add_planned(
    database: Database, config: Config, age: float = 5, nonce: str = "", **body: Any
) -> Event:
    """Store an event with the deliveries that the configuration plans."""
    event = make_event(
        f"p{time.time_ns()}",
        now=time.time() - age,
        body=json.dumps(body).encode(),
        config_hash=config.hash,
    )
    planned = replan(event, config, event.received_at, nonce)
    events.add(database, event, planned, lambda *_: [])
    return event


def add_comparable(database: Database, folder: Path) -> dict[str, Event]:
    """Store an event of each result, by its result, and one from before the new route."""
    before = write_routes(folder, OLD)
    both = write_routes(folder, OLD + NEW)
    for one in (before, both):
        configs.remember_config(database, one.hash, one.canonical, time.time())
    add_planned(database, before, old=True, n=1)
    add_planned(database, both, n=1)
    return {
        "same": add_planned(database, both, old=True, new=True, n=1, m=1),
        "differs": add_planned(database, both, old=True, new=True, n=1, m=2),
        "only_old": add_planned(database, both, old=True, n=1),
        "only_new": add_planned(database, both, new=True, m=1),
        "dead": add_planned(database, both, old=True, new=True, n=1),
    }
