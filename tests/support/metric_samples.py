"""Reads the text of /metrics into samples."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from bridge.monitoring.metrics import METRICS

Samples = dict[tuple[str, tuple[str, ...]], float]


def parsed(text: str) -> Samples:
    """The value of each series, by its name and the values of its labels, in the order of their
    names in the row.
    """
    rows = {metric.name: metric for metric in METRICS}
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            row = rows.get(sample.name) or rows[re.sub("_(bucket|sum|count)$", "", sample.name)]
            names = row.labels or tuple(sample.labels)
            assert set(names) == set(sample.labels), sample
            found[sample.name, tuple(sample.labels[name] for name in names)] = sample.value
    return found
