"""`/rejects`: requests that failed verification, with the diagnosis, and their readmission."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from admin_client import lift_rates
from console_client import ConsoleClient
from console_operator import ConsoleOperator
from signed_rejects import make_reject

from bridge.core.scopes import Scope
from bridge.store.db.database import Database
from bridge.store.inbound import rejects


@pytest.fixture
def operator(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ConsoleOperator:
    lift_rates(monkeypatch)
    return ConsoleOperator(database, tmp_path)


def test_a_reject_is_diagnosed_and_readmitted(operator: ConsoleOperator) -> None:
    one = make_reject()
    rejects.add(operator.database, one)
    html = operator.console.html("/rejects")
    assert "It verifies now" in html and f'href="/console/rejects/{one.id}"' in html
    html = operator.console.html(f"/rejects/{one.id}")
    assert "It verifies now" in html and "x-hub-signature-256" in html
    assert "POST /hooks/github" in html and "&#34;action&#34;:&#34;opened&#34;" in html
    form = operator.form_of(html, ">Readmit<")
    page = operator.propose(command="readmit", **form)
    assert "<h1>Readmit 1 reject?</h1>" in operator.console.html(page)
    html = operator.carry_out(page)
    assert html.count('href="/console/events/evt_') == 1
    html = operator.console.html(f"/rejects/{one.id}")
    assert "readmitted" in html and "It became" in html and ">Readmit<" not in html


def test_all_that_verify_are_readmitted_by_filter(operator: ConsoleOperator) -> None:
    for one in (make_reject(1), make_reject(2), make_reject(3, "of-somebody-else")):
        rejects.add(operator.database, one)
    form = operator.form_of(operator.console.html("/rejects?source=github"), 'id="act"')
    page = operator.propose(command="readmit", which="all", **form)
    html = operator.console.html(page)
    assert "Readmit 2 rejects?" in html
    assert "<strong>1</strong> it does not verify with the current routes.yaml" in html
    assert "2 of 2" in operator.carry_out(page)


def test_bodies_that_are_no_text_or_empty(operator: ConsoleOperator) -> None:
    for number, body in ((1, b"\xff\xfe"), (2, b"")):
        rejects.add(operator.database, make_reject(number, "x", body=body, size=len(body)))
    html = operator.console.html(f"/rejects/{make_reject(1).id}")
    assert "no characters of a text" in html and "No variant of the secret" in html
    assert "It was empty." in operator.console.html(f"/rejects/{make_reject(2).id}")
    rejects.add(operator.database, make_reject(3, "x", body=b"", size=20, cut=True))  # redacted
    html = operator.console.html(f"/rejects/{make_reject(3).id}")
    assert "20 bytes, of which nothing is stored" in html and "It was empty." not in html


def test_without_bodies_only_the_kind_of_failure_is_shown(operator: ConsoleOperator) -> None:
    one = make_reject(client="203.0.113.9", body=b"s3cret", query_string="s3cret")
    rejects.add(operator.database, one)
    operator.console.log_in((Scope.READ, Scope.ACT))
    for path in ("/rejects", f"/rejects/{one.id}"):
        html = operator.console.html(path)
        assert "mismatch" in html and "github" in html, path
        for hidden in ("s3cret", "203.0.113.9", "x-hub-signature", "verifies now"):
            assert hidden not in html, (path, hidden)
    operator.console.log_in((Scope.READ, Scope.BODIES))
    assert ">Readmit<" not in operator.console.html(f"/rejects/{one.id}")


def test_filters_wrong_ids_and_the_empty_page(operator: ConsoleOperator) -> None:
    html = operator.console.html("/rejects")
    assert "No rejects" in html
    assert "flowbridge sample github issues --to --tamper body" in html
    rejects.add(operator.database, make_reject())
    assert "remove one above" in operator.console.html("/rejects?since=1d")
    assert operator.console.get("/rejects?source=nope").status_code == 400
    assert operator.console.get("/rejects?since=x&status=dead").status_code == 400
    for missing in ("/rejects/rej_zzz", "/rejects/%00"):
        assert operator.console.get(missing).status_code == 404


def test_the_navigation_counts_what_is_left_to_readmit(
    operator: ConsoleOperator, tmp_path: Path
) -> None:
    def read_badge() -> str:
        console = ConsoleClient(operator.database, tmp_path, operator.config)  # nothing cached
        console.log_in()
        link = re.search(r'href="/console/rejects".*?</a>', console.html("/"), re.DOTALL)
        assert link is not None
        return "".join(re.findall(r"\d+", re.sub("<svg.*?</svg>|<[^>]*>", "", link[0])))

    now = time.time()
    for number in range(2):
        reject = make_reject(number, received_at=now - number, body=b"%d" % number)
        rejects.add(operator.database, reject)
    assert read_badge() == "2"
    operator.carry_out(operator.propose(command="readmit", which="all", filter__source="github"))
    assert read_badge() == ""
