"""deploy/: the alert rules and the dashboard ask for what is told, and each rule fires where it
should.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from deploying import needs
from folders import DEPLOY
from metric_samples import parsed
from overviews import everything
from ruamel.yaml import YAML

from bridge.monitoring.conditions import CONDITIONS
from bridge.monitoring.metrics import METRICS, PROCESS_METRICS
from bridge.monitoring.prometheus import Exposition

NAME = re.compile(r"\bflowbridge_[a-z_]+")


def expressions() -> dict[str, list[str]]:
    rules = YAML(typ="safe").load(DEPLOY / "alerts.yml")["groups"][0]["rules"]
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    queries += [
        one["query"]["query"]
        for one in board["templating"]["list"]
        if isinstance(one["query"], dict)
    ]
    return {"alerts.yml": [rule["expr"] for rule in rules], "grafana-dashboard.json": queries}


def test_what_rules_and_dashboard_ask_for_is_told(tmp_path: Path) -> None:
    told = {name for name, _ in parsed(Exposition(tmp_path, everything).text().decode())} | {
        metric.name for metric in PROCESS_METRICS
    }
    rows = {metric.name: set(metric.labels) | {"instance", "le"} for metric in METRICS}
    for file, asked in expressions().items():
        assert len(asked) > 10
        for expression in asked:
            assert set(NAME.findall(expression)) <= told, f"{file}: {expression}"
            labels = {
                name
                for found in re.findall(r"(?:by|on) \(([a-z, ]+)\)", expression)
                for name in found.split(", ")
            }
            labels |= set(re.findall(r'(\w+)(?:=~|!=|=)"', expression))
            known = set.union(
                *(
                    rows[re.sub("_(bucket|sum|count)$", "", name)]
                    for name in NAME.findall(expression)
                )
            )
            assert labels <= known, f"{file}: {expression}"


def test_panels_stand_side_by_side() -> None:
    panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def promtool(*arguments: str) -> str:
    done = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.usefixtures("new_processes")
def test_promtool_finds_nothing_wrong(tmp_path: Path) -> None:
    needs("promtool")
    promtool("check", "rules", "--lint-fatal", str(DEPLOY / "alerts.yml"))
    text = Exposition(tmp_path, everything).text()
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
    for expression in expressions()["grafana-dashboard.json"][:-1]:
        promtool(
            "promql", "format", re.sub(r"\$__rate_interval", "5m", expression), "--experimental"
        )


#: alert -> series that make it fire, what is told in each minute, in promtool's notation; all of
#: them at once
FIRES: dict[str, dict[str, str]] = {
    "FlowbridgeMetricsAbsent": {"up": "1x2000"},
    "FlowbridgeStoreDown": {"flowbridge_store_up": "0x2000"},
    "FlowbridgeNoWorker": {'flowbridge_processes{role="work"}': "0x2000"},
    "FlowbridgeAnswersErrors": {
        'flowbridge_requests_refused_total{source="a",status="503"}': "0+1x2000"
    },
    "FlowbridgeDiskNearlyFull": {
        "flowbridge_disk_free_bytes": "1e9x2000",
        "flowbridge_disk_size_bytes": "20e9x2000",
    },
    "FlowbridgeBackupMissed": {"flowbridge_backup_missed": "1x2000"},
    "FlowbridgeDeadLetters": {"flowbridge_deliveries_dead_day": "1x2000"},
    "FlowbridgeUnknown": {"flowbridge_deliveries_held": "1x2000"},
    "FlowbridgeCircuitOpen": {'flowbridge_circuit_state{platform="p",state="open"}': "1x2000"},
    "FlowbridgeQueueLate": {'flowbridge_queue_late_seconds{route="r",platform="p"}': "901x2000"},
    "FlowbridgeRunsFailing": {
        'flowbridge_runs_ended_total{route="r",state="failed"}': "0+1x2000",
        'flowbridge_runs_ended_total{route="r",state="done"}': "0+1x2000",
    },
    "FlowbridgeStartsHeldBack": {"flowbridge_starts_held_back": "1x2000"},
    "FlowbridgeVerificationFailures": {
        'flowbridge_verification_failures_total{source="a",reason="mismatch"}': "0x1985 0+10x30"
    },
    "FlowbridgeSourceSilent": {
        'flowbridge_source_last_event_timestamp_seconds{source="a"}': "6000x2000",
        'flowbridge_events_total{source="a",outcome="accepted"}': "0+1x100 100x2000",
    },
    "FlowbridgeConfigRefused": {"flowbridge_config_ok": "0x2000"},
    "FlowbridgeClockSkew": {"flowbridge_database_clock_ahead_seconds": "-3x2000"},
    "FlowbridgeCertificateEnds": {
        'flowbridge_certificate_expiry_timestamp_seconds{host="h"}': "1300000x2000"
    },
    "FlowbridgeCertificateRefused": {'flowbridge_certificate_trusted{host="h"}': "0x2000"},
    "FlowbridgeSlowToAnswer": {
        'flowbridge_ack_seconds_bucket{le="1.0"}': "0x2000",
        'flowbridge_ack_seconds_bucket{le="2.5"}': "0+5x2000",
        'flowbridge_ack_seconds_bucket{le="+Inf"}': "0+5x2000",
    },
}
WELL = {
    "flowbridge_build_info": "1x2000",
    "flowbridge_store_up": "1x2000",
    'flowbridge_processes{role="work"}': "1x2000",
    'flowbridge_requests_refused_total{source="a",status="401"}': "0+1x2000",
    "flowbridge_disk_free_bytes": "9e9x2000",
    "flowbridge_disk_size_bytes": "20e9x2000",
    "flowbridge_deliveries_dead_day": "0x2000",
    "flowbridge_backup_missed": "0x2000",
    "flowbridge_deliveries_held": "0x2000",
    'flowbridge_circuit_state{platform="p",state="closed"}': "1x2000",
    'flowbridge_circuit_state{platform="p",state="open"}': "0x2000",
    'flowbridge_queue_late_seconds{route="r",platform="p"}': "3x2000",
    'flowbridge_runs_ended_total{route="r",state="failed"}': "0+2x2000",
    'flowbridge_runs_ended_total{route="r",state="done"}': "0+3x2000",
    "flowbridge_starts_held_back": "0x2000",
    "flowbridge_config_ok": "1x2000",
    "flowbridge_database_clock_ahead_seconds": "-1x2000",
    'flowbridge_certificate_expiry_timestamp_seconds{host="h"}': "1400000x2000",
    'flowbridge_certificate_trusted{host="h"}': "1x2000",
    'flowbridge_verification_failures_total{source="a",reason="mismatch"}': "0+2x2000",
    'flowbridge_source_last_event_timestamp_seconds{source="a"}': "0+60x2000",
    'flowbridge_events_total{source="a",outcome="accepted"}': "0+1x2000",
    'flowbridge_ack_seconds_bucket{le="1.0"}': "0+5x2000",
    'flowbridge_ack_seconds_bucket{le="+Inf"}': "0+5x2000",
}


#: rule -> the condition of `flowbridge status` that says the same
SAME = {
    "FlowbridgeBackupMissed": "backup",
    "FlowbridgeNoWorker": "no_worker",
    "FlowbridgeDiskNearlyFull": "disk_low",
    "FlowbridgeDeadLetters": "dead",
    "FlowbridgeUnknown": "unknown",
    "FlowbridgeCircuitOpen": "circuit_open",
    "FlowbridgeQueueLate": "queue_late",
    "FlowbridgeRunsFailing": "runs_failing",
    "FlowbridgeStartsHeldBack": "starts_held",
    "FlowbridgeVerificationFailures": "rejects",
    "FlowbridgeSourceSilent": "silence",
    "FlowbridgeConfigRefused": "config_unusable",
    "FlowbridgeClockSkew": "clock_skew",
    "FlowbridgeCertificateEnds": "certificate",
    "FlowbridgeCertificateRefused": "certificate_urgent",
}


def test_a_rule_is_as_severe_as_the_condition_that_says_the_same() -> None:
    rules = {
        rule["alert"]: rule["labels"]["severity"]
        for rule in YAML(typ="safe").load(DEPLOY / "alerts.yml")["groups"][0]["rules"]
    }
    assert {alert: rules[alert] for alert in SAME} == {
        alert: CONDITIONS[condition].severity for alert, condition in SAME.items()
    }


@pytest.mark.usefixtures("new_processes")
def test_each_rule_fires_where_it_should_and_none_where_all_is_well(tmp_path: Path) -> None:
    needs("promtool")
    rules = YAML(typ="safe").load(DEPLOY / "alerts.yml")["groups"][0]["rules"]
    assert set(FIRES) == {rule["alert"] for rule in rules}

    def case(series: dict[str, str], firing: Iterable[str]) -> dict[str, Any]:
        expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in firing]
        query = 'count by (alertname) (ALERTS{alertstate="firing"})'
        return {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": query, "eval_time": "2000m", "exp_samples": expected}],
        }

    tests = [
        case({name: values for series in FIRES.values() for name, values in series.items()}, FIRES),
        case(WELL, ()),
    ]
    file = tmp_path / "tests.yml"
    file.write_text(
        json.dumps(
            {
                "rule_files": [str(DEPLOY / "alerts.yml")],
                "evaluation_interval": "10m",
                "tests": tests,
            }
        )
    )
    promtool("test", "rules", str(file))
