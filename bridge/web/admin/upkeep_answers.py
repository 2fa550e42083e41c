"""The answers of the admin API for upkeep: tokens, the hold, learned secrets, runs by hand."""

from __future__ import annotations

import time
from typing import Final

from bridge.core.audit import AuditAction
from bridge.core.errors import InvalidRequest
from bridge.core.model import JSON
from bridge.core.times import iso
from bridge.providers.model import SecretDelivery
from bridge.services import platform_names, platform_queries
from bridge.services.access_tokens import create_token, remove_token
from bridge.services.audit import new_entry, record_done
from bridge.services.records.bridge_records import HOLD, NEW_TOKEN, TOKEN
from bridge.services.records.flow_records import RUN_REPORT
from bridge.services.runs_by_hand import Record, end_run, start_flow
from bridge.store.inbound import learned_secrets
from bridge.store.operations import tokens
from bridge.store.queue import hold
from bridge.system.logs import get_logger
from bridge.web.admin.context import AdminContext, AdminRequest, Answer
from bridge.web.admin.flow_answers import ask_platform, find_platform, hurry
from bridge.web.admin.problems import AdminProblem
from bridge.web.admin.request_selection import look_up

LEARN_SECONDS: Final = 600

log = get_logger()


# -- tokens


def list_tokens(context: AdminContext, _asked: AdminRequest) -> Answer:
    """Return the tokens, the oldest first, without their secrets."""
    return {"items": [TOKEN.write(one) for one in tokens.list_tokens(context.database)]}


def show_token(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one token, by its id or name."""
    return TOKEN.write(look_up(lambda: tokens.find(context.database, asked.ids["id"])))


def add_token(context: AdminContext, asked: AdminRequest) -> Answer:
    """Store a new token, and return it with its secret, which cannot be read again."""
    body = asked.body
    try:
        new, secret = create_token(
            context.database,
            body["name"],
            body["scopes"],
            body.get("expires"),
            now=time.time(),
            by=asked.by,
        )
    except InvalidRequest as error:
        raise AdminProblem("invalid_body", str(error)) from None
    _log_change(asked, AuditAction.TOKEN_ADDED.value, new.id)
    return NEW_TOKEN.write(new, token=secret)


def delete_token(context: AdminContext, asked: AdminRequest) -> Answer:
    """Remove a token by its id; every process refuses it from then on."""
    known = {one.id for one in tokens.list_tokens(context.database)}
    id_ = asked.ids["id"]
    if id_ not in known:
        raise AdminProblem("not_found", "no token has exactly this id")
    removed = look_up(lambda: remove_token(context.database, id_, asked.by))
    _log_change(asked, AuditAction.TOKEN_REMOVED.value, removed.id)
    return {}


# -- hold


def show_hold(context: AdminContext, _asked: AdminRequest) -> Answer:
    """Return the hold of starts, null where there is none, and how many deliveries wait."""
    with context.database.read() as connection:
        found = hold.read_hold(connection)
        waiting = hold.count_held(connection, found.since if found else 0.0)
    return HOLD.write((found, waiting))


def begin_hold(context: AdminContext, asked: AdminRequest) -> Answer:
    """Stop starting flows on all machines; an existing hold stays as it is."""
    reason = asked.body.get("reason") or f"held by {asked.actor}"
    entry = new_entry(AuditAction.HOLD_BEGUN, asked.by, reason)
    context.database.write(lambda connection: hold.begin(connection, reason, time.time(), entry))
    _log_change(asked, AuditAction.HOLD_BEGUN.value, None)
    return show_hold(context, asked)


def release_hold(context: AdminContext, asked: AdminRequest) -> Answer:
    """Release the starts; workers continue within seconds."""
    entry = new_entry(AuditAction.HOLD_RELEASED, asked.by)
    if context.database.write(lambda connection: hold.release(connection, entry)):
        _log_change(asked, AuditAction.HOLD_RELEASED.value, None)
    return show_hold(context, asked)


# -- learned secrets


def show_learning(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return until when a source may receive its secret, and when it last received one."""
    return _learning(context, asked.ids["name"], _find_delivery(context, asked))


def allow_learning(context: AdminContext, asked: AdminRequest) -> Answer:
    """Let a source receive its secret from the sender, once; 0 seconds end that."""
    name = asked.ids["name"]
    found = _find_delivery(context, asked)
    if found.shown:
        raise AdminProblem(
            "invalid_parameter",
            f"the secret of {name} must be entered at the sender: use `flowbridge learn {name}`"
            " on the bridge's machine, which shows it",
        )
    seconds = asked.body.get("seconds", LEARN_SECONDS)
    until = time.time() + seconds if seconds else None
    action = AuditAction.LEARNING_ALLOWED if seconds else AuditAction.LEARNING_ENDED
    entry = new_entry(action, asked.by, name)
    learned_secrets.allow_learning(context.database, name, until, entry)
    _log_change(asked, action.value, name)
    return _learning(context, name, found)


def _learning(context: AdminContext, name: str, found: SecretDelivery) -> dict[str, JSON]:
    known = learned_secrets.find(context.database, name)
    is_open = known.until is not None and known.until > time.time()
    return {
        "source": name,
        "path": f"/hooks/{name}",
        "until": iso(known.until) if is_open else None,
        "learned_at": iso(known.learned_at),
        "ask": found.ask,
    }


def _find_delivery(context: AdminContext, asked: AdminRequest) -> SecretDelivery:
    source = context.config().sources.get(asked.ids["name"])
    if source is None or source.provider.learn is None:
        raise AdminProblem("not_found", "no source of this name receives its secret from a sender")
    return source.provider.learn


# -- runs


def start_run(context: AdminContext, asked: AdminRequest) -> Answer:
    """Start a flow by hand, as `flows run --json`, with `notes` on its inputs and a `hint`."""
    inputs = asked.body.get("inputs", {})
    record = _recorder(context, asked)
    try:
        platform, saved_item_id = platform_names.find_flow(context.config(), asked.body["flow"])
        started = ask_platform(
            context,
            lambda: start_flow(
                hurry(platform),
                saved_item_id,
                inputs,
                record,
                with_contents=asked.with_contents,
            ),
            with_contents=asked.with_contents,
        )
    except InvalidRequest as error:
        raise AdminProblem("invalid_body", str(error)) from None
    return {**started.shape, "notes": list(started.notes), "hint": started.hint or None}


def show_run(context: AdminContext, asked: AdminRequest) -> Answer:
    """Ask a platform for a run: its state, log and outputs."""
    platform = hurry(find_platform(context, asked))
    run_id = asked.ids["id"]
    report = ask_platform(
        context,
        lambda: platform_queries.read_run(platform, run_id),
        with_contents=asked.with_contents,
    )
    return RUN_REPORT.write(
        report, with_contents=asked.with_contents, platform=platform.name, run_id=run_id
    )


def kill_run(context: AdminContext, asked: AdminRequest) -> Answer:
    """Ask a platform to end a run with its subflow runs, as `flows kill --json`."""
    platform = hurry(find_platform(context, asked))
    return ask_platform(
        context,
        lambda: end_run(
            platform,
            asked.ids["id"],
            _recorder(context, asked),
            with_contents=asked.with_contents,
        ),
        with_contents=asked.with_contents,
    )


def _recorder(context: AdminContext, asked: AdminRequest) -> Record:
    """Return how to record what a platform has done for a request."""

    def record(action: AuditAction, subject: str) -> None:
        record_done(context.database, action, asked.by, subject)
        _log_change(asked, action.value, subject[:200])

    return record


def _log_change(asked: AdminRequest, change: str, subject: str | None) -> None:
    log.info("admin_change", change=change, subject=subject, actor=asked.actor, token=asked.token)
