"""Serializers of saved flows, their inputs and runs, in the shapes of `flows … --json`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.core.times import iso

if TYPE_CHECKING:
    from bridge.core.model import JSON
    from bridge.core.outcomes import Outcome, RunReport
    from bridge.delivery.platforms.model import InputNode, KillReport, ListedRun, SavedFlow


def flow_json(platform: str, flow: SavedFlow) -> dict[str, JSON]:
    """Return a saved flow of a platform."""
    return {
        "platform": platform,
        "saved_item_id": flow.id,
        "name": flow.name,
        "description": flow.description or None,
        "created_at": iso(flow.created_at),
    }


def input_json(platform: str, saved_item_id: str, node: InputNode) -> dict[str, JSON]:
    """Return an input of a flow."""
    return {
        "platform": platform,
        "saved_item_id": saved_item_id,
        "name": node.name,
        "type": (node.type if node.annotation is None else node.annotation) or None,
        "description": node.description or None,
    }


def start_json(platform: str, saved_item_id: str, outcome: Outcome) -> dict[str, JSON]:
    """Return the outcome of a start by hand; nothing is known of its run yet."""
    return {
        "platform": platform,
        "saved_item_id": saved_item_id,
        "outcome": outcome.kind,
        "detail": outcome.detail or None,
        "run_id": outcome.run_id,
        "run_url": outcome.run_url,
        "run_state": None,
        "outputs": None,
        "log": [],
    }


def report_json(platform: str, run_id: str, report: RunReport) -> dict[str, JSON]:
    """Return the report of one run."""
    return {
        "platform": platform,
        "run_id": run_id,
        "run_state": report.state,
        "raw_state": report.raw_state,
        "outputs": report.outputs,
        "log": list(report.log),
        "created_at": iso(report.created_at),
        "finished_at": iso(report.finished_at),
        "detail": report.detail or None,
        "gone": report.gone,
    }


def run_json(platform: str, run: ListedRun) -> dict[str, JSON]:
    """Return a run of a platform's list of runs."""
    return {
        "platform": platform,
        "saved_item_id": run.saved_item_id,
        "run_id": run.id,
        "run_state": run.report.state,
        "raw_state": run.report.raw_state,
        "outputs": run.report.outputs,
        "created_at": iso(run.report.created_at),
        "finished_at": iso(run.report.finished_at),
    }


def kill_json(platform: str, run_id: str, killed: KillReport, report: RunReport) -> dict[str, JSON]:
    """Return the answer to the request to end a run, with the last report of the run."""
    return {
        "platform": platform,
        "run_id": run_id,
        "killed": killed.accepted,
        "detail": killed.detail or None,
        "run_state": report.state,
        "raw_state": report.raw_state,
    }
