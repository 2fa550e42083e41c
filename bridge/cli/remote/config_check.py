"""The check of a routes.yaml of this machine by the bridge of another. See `cli.ui.check_view`."""

from __future__ import annotations

from pathlib import Path

from bridge.cli.bridge.access import open_bridge
from bridge.cli.bridge.transport import Shape
from bridge.cli.remote.sent_files import name_here, read_files
from bridge.cli.remote.server_problems import ServerError
from bridge.cli.ui.check_view import CheckAnswer
from bridge.core.errors import ConfigError, InvalidRequest
from bridge.services.config_checks.report import ProjectReport
from bridge.services.records.json_record import expect_shape


def check_remote(name: str) -> CheckAnswer:
    """Return the answer of the bridge of --server on the file `name` and those that it names.

    Where one of them cannot be read here, the answer has the problems seen here, and nothing is
    sent. Raises `ServerError` where the bridge refuses them, as it does if they are too large.
    """
    file = Path(name)
    try:
        sent = read_files(file)
        if sent.problems:
            raise ConfigError(sent.problems)
    except ConfigError as error:
        return CheckAnswer.of_report(name, ProjectReport(error.problems, refused=True))
    with open_bridge(None) as bridge:
        try:
            reply = bridge.post("/configs/check", {"text": sent.text, "files": dict(sent.others)})
        except InvalidRequest as error:
            raise ServerError(f"{name} was not checked: {error}") from None
    with expect_shape():
        return _read_answer(reply, name, file)


def _read_answer(reply: Shape, name: str, file: Path) -> CheckAnswer:
    problems = [
        {**problem, "file": name_here(problem["file"], file)} for problem in reply["problems"]
    ]
    is_refused = reply["config_hash"] is None
    code = 2 if is_refused else int(reply["valid"] is not True)
    shape = {**reply, "config": name, "problems": problems}
    return CheckAnswer(shape=shape, code=code, is_refused=is_refused)
