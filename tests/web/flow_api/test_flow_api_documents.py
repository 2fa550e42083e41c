"""The flow API against its documents: ours at /api/v1/openapi.json and the user's of
start_pipeline, by schemathesis on a real server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from folders import DATA, DOCS
from hypothesis import HealthCheck, settings
from local_platform import Local
from serving import Bridge

import bridge as bridge_package
from bridge.core.local_runs import LocalState
from bridge.core.units import MIB
from bridge.flows import file_saver
from bridge.store.blobs import SPARE
from bridge.store.db.database import Database
from bridge.web.flow_api import context as served
from bridge.web.flow_api import files, request, routes
from bridge.web.flow_api import runs as flow_api_runs
from bridge.web.flow_api.routes import ENDPOINTS

ROOT = Path(bridge_package.__file__).parent
APP = ROOT / "web" / "app.py"
INTAKE = ROOT / "web" / "receiving" / "body_reader.py"
PAGE = DOCS / "flow-api.md"
DOCUMENT = json.loads(routes.OPENAPI.read_text())


# -- what can be said without schemathesis


def test_the_document_is_served_without_a_key(sqlite: Database, tmp_path: Path) -> None:
    answer = Local(sqlite, tmp_path).client.get("/api/v1/openapi.json")
    assert (
        answer.status_code == 200
        and answer.mimetype == "application/json"
        and answer.json == DOCUMENT
    )


def test_the_document_has_every_endpoint_and_no_other() -> None:
    documented = {
        (path[1:], method.upper()) for path, item in DOCUMENT["paths"].items() for method in item
    }
    served = {(one.path, method) for one in ENDPOINTS for method in one.methods if method != "HEAD"}
    assert documented == served | {("openapi.json", "GET")}


def test_every_part_of_the_document_is_used_and_there() -> None:
    text = json.dumps(DOCUMENT)
    for kind, parts in DOCUMENT["components"].items():
        if kind != "securitySchemes":
            assert [name for name in parts if f'"#/components/{kind}/{name}"' not in text] == []
    for part in [one.partition('"')[0] for one in text.split('"$ref": "#/')[1:]]:
        found: Any = DOCUMENT
        for step in part.split("/"):
            found = found[step]


def test_the_document_says_the_limits_and_states_that_hold() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    text = json.dumps(DOCUMENT)
    assert set(schemas["State"]["enum"]) == {state.value for state in LocalState}
    assert (
        schemas["Id"]["maxLength"] == 1000
        and schemas["FileName"]["maxLength"] == files.MAX_NAME_BYTES
    )
    upload = DOCUMENT["paths"]["/upload_files"]["post"]["requestBody"]["content"][
        "application/json"
    ]["schema"]["properties"]["files"]
    assert upload["maxItems"] == files.MAX_FILES
    runs = DOCUMENT["paths"]["/get_plrun_saved_item_map"]["get"]["responses"]["200"]["content"][
        "application/json"
    ]["schema"]
    assert runs["additionalProperties"]["maxItems"] == routes.NEWEST_RUNS
    key = next(
        one
        for one in DOCUMENT["paths"]["/start_pipeline"]["post"]["parameters"]
        if one.get("name") == "Idempotency-Key"
    )
    assert key["schema"]["maxLength"] == flow_api_runs.MAX_KEY_LENGTH
    mib = MIB
    for size in (
        routes.MAX_START_BYTES // mib,
        routes.MAX_UPLOAD_BYTES // mib,
        files.MAX_FILE_BYTES // mib,
    ):
        assert f"{size} MiB" in text
    assert files.MAX_UPLOADED // mib == 1024 and "1 GiB" in text


def test_the_page_for_people_says_the_same() -> None:
    page = PAGE.read_text("utf-8")
    calls = {
        tuple(one.split(" /"))
        for one in re.findall(r"^\| `((?:GET|POST) /\w+)` \|", page, re.MULTILINE)
    }
    assert calls == {
        (method, one.path) for one in ENDPOINTS for method in one.methods if method != "HEAD"
    }
    code = "".join(path.read_text() for path in [*routes.OPENAPI.parent.glob("*.py"), APP, INTAKE])
    codes = set(
        re.findall(r'(?:Refused|bad_request|responses\.error)\(\s*(?:\d+,\s*)?"([a-z_]+)"', code)
    ) | set(re.findall(r'"error":"([a-z_]+)"', code))
    codes |= {"missing_parameter", "invalid_parameter"}  # where one of them is chosen
    table = page.partition("### Errors")[2].partition("\n## ")[0]
    assert codes == {one for one in re.findall(r"`([a-z_]+)`", table) if "_" in one or one in codes}
    states = page.partition("States are ")[2].partition(".")[0]
    assert set(re.findall(r"`([A-Z]+)`", states)) == {state.value for state in LocalState}
    mib = MIB
    for row in (
        f"| {routes.MAX_START_BYTES // mib} MiB; {routes.MAX_UPLOAD_BYTES // mib} MiB; {routes.MAX_CALL_BYTES // mib} MiB |",
        (
            f"| {files.MAX_FILE_BYTES // mib} MiB; {files.MAX_FILES}; {files.MAX_UPLOADED // mib // 1024}"
            " GiB |"
        ),
        f"| files that a run saves | {file_saver.MAX_SAVED_FILES:,} |",
        f"| {SPARE // mib} MiB |",
        f"| {served.MAX_API_BYTES_IN_FLIGHT // mib} MiB, apart",
        f"| {request.MAX_ID_LENGTH} and {flow_api_runs.MAX_KEY_LENGTH} printable",
    ):
        assert row in page


# -- schemathesis, if it is there

KEY = "documents-key"
USER = "documents-user"
ROUTES = "version: 1\nplatforms: {local: {type: local}}\n"
EXAMPLES = 60


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory, new_processes: None) -> Iterator[Bridge]:
    environ = {"FLOWBRIDGE_LOCAL_API_KEY": KEY, "FLOWBRIDGE_LOCAL_USER_ID": USER}
    with Bridge(tmp_path_factory.mktemp("documents"), routes=ROUTES, environ=environ) as bridge:
        yield bridge
        assert [one for one in bridge.log if one["event"] == "internal_error"] == []


@pytest.fixture(scope="module")
def known(bridge: Bridge) -> dict[str, str]:
    """Ids that are there: a run that has a file, its flow and workbook."""
    headers = {"Authorization": f"Bearer {KEY}", "x-auth-key": USER}
    started = bridge.post("/api/v1/start_pipeline", b'{"saved_item_id": "echo"}', headers).json
    assert (
        bridge.post(
            "/api/v1/upload_file", b'{"file_name": "a.txt", "file_content": "YWJj"}', headers
        ).status
        == 200
    )
    return {name: started[name] for name in ("run_id", "saved_item_id", "workbook_id")} | {
        "user_id": USER,
        "file_name": "a.txt",
    }


try:
    import schemathesis
except ImportError:
    schemathesis = None
bounded = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


#: Checks that do not hold, and why.
EXCLUDED = {
    "positive_data_acceptance": "ids have to exist, which no schema can say",
    "use_after_free": "nothing here is deleted",
    "ensure_resource_availability": "nothing here is deleted",
}
EXCLUDED_FOR_USERS = EXCLUDED | {
    "allow_header_conformance": "a start by GET is served too, which that document does not have"
}


def checks(names: Iterable[str]) -> list[Any]:
    from schemathesis.checks import CHECKS, load_all_checks

    load_all_checks()
    return CHECKS.get_by_names(list(names))


def with_known(part: Any, known: dict[str, str]) -> None:
    """Put ids that are there in place of well-formed ones, so that more than errors is answered."""
    if isinstance(part, dict):
        for name, value in known.items():
            if isinstance(part.get(name), str):
                part[name] = value
        if (
            isinstance(part.get("file_names"), list)
            and part["file_names"]
            and all(isinstance(one, str) for one in part["file_names"])
        ):
            part["file_names"] = [known["file_name"]]


def ask(case: Any, bridge: Bridge) -> Any:
    """Send it, without the headers that tell of a proxy: the private face is none of theirs, and
    answers 404.
    """
    for name in [
        name
        for name in case.headers or ()
        if name.lower().startswith(("x-forwarded-", "forwarded"))
    ]:
        del case.headers[name]
    return case.call(
        base_url=f"http://127.0.0.1:{bridge.port}/api/v1",
        headers={"Authorization": f"Bearer {KEY}"},
    )


if schemathesis is not None:
    ours = schemathesis.openapi.from_dict(DOCUMENT)
    users = schemathesis.openapi.from_path(DATA / "start-flow.openapi.yaml")
    answered: dict[str, set[int]] = {}

    @ours.parametrize()
    @bounded
    def test_every_answer_is_as_our_document_says(
        case: Any, bridge: Bridge, known: dict[str, str]
    ) -> None:
        if case.meta is None or case.meta.generation.mode.value == "positive":
            for part in (case.body, case.query, case.headers):
                with_known(part, known)
            case.headers["x-auth-key"] = USER
        answer = ask(case, bridge)
        answered.setdefault(case.operation.label, set()).add(answer.status_code)
        partial = (
            {"negative_data_rejection": "what is wrong with one file is no matter of the others"}
            if answer.status_code == 207
            else {}
        )
        case.validate_response(answer, excluded_checks=checks(EXCLUDED | partial))

    @users.parametrize()
    @bounded
    def test_every_answer_is_as_the_users_document_says(
        case: Any, bridge: Bridge, known: dict[str, str]
    ) -> None:
        if case.meta is None or case.meta.generation.mode.value == "positive":
            with_known(case.body, known)
        answer = ask(case, bridge)
        answered.setdefault("the user's", set()).add(answer.status_code)
        case.validate_response(answer, excluded_checks=checks(EXCLUDED_FOR_USERS))

    def test_more_than_errors_was_answered() -> None:
        if len(answered) < len(DOCUMENT["paths"]):
            pytest.skip("not all of the documents' tests ran")
        assert [label for label, statuses in answered.items() if 200 not in statuses] == []
        assert [label for label, statuses in answered.items() if max(statuses) >= 500] == []

else:

    @pytest.mark.skip(reason="schemathesis is not installed")
    def test_every_answer_is_as_the_documents_say() -> None:
        """See above."""
