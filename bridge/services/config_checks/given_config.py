"""The check of a routes.yaml that is given as text, without reading files or the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bridge.config.given_files import SENT_FILES, GivenFiles
from bridge.config.loader import check_files
from bridge.services.config_checks.misspelt_paths import warn_of_misspelt
from bridge.services.config_checks.report import ProjectReport
from bridge.services.config_checks.unbraced_paths import warn_of_unbraced
from bridge.services.config_checks.written_routes import list_routes

FILE_NAME: Final = "routes.yaml"
NOTE: Final = (
    "the values of `${env:NAME}` and `${file:PATH}` are not checked: `flowbridge check` on the"
    " bridge's machine does that"
)


def check_given_config(
    text: str, files: Mapping[str, str], rule: str = SENT_FILES
) -> ProjectReport:
    """Check a routes.yaml and the files that it names, by their path under its folder.

    `rule`: the message about a file that is not given. Nothing is read but what is given, so no
    value of `${env:…}` or `${file:…}` counts as missing.
    """
    disk = GivenFiles({**files, FILE_NAME: text}, rule)
    checked = check_files(FILE_NAME, None, disk, strict_secrets=False)
    report = ProjectReport(problems=checked.problems, config=checked.config)
    if checked.config is not None:
        written = list_routes(FILE_NAME, checked.document, checked.places)
        warn_of_misspelt(checked.config, written)
        warn_of_unbraced(written)
        report.problems += written.report.problems
    report.problems.sort(key=lambda problem: (problem.file != FILE_NAME, problem))
    report.notes.append(NOTE)
    return report
