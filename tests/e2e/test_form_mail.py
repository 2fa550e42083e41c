"""What follows a form: its file reaches a local flow, its owner is told by mail, and who sent it
gets an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from days import within_a_day
from forms import MULTIPART, PDF, multipart, part
from mail_server import MailServer
from serving import Answer, Bridge, until

FLOWS = """
from bridge.flows import File, flow

@flow
def read_cv(name: str, cv: File) -> dict:
    return {"name": name, "size": cv.size}
"""
ROUTES = """
version: 1
platforms: {local: {type: local, flows: flows.py}}
sources:
  jobs:
    provider: form
    files: true
    rate: 1000/min and 1000/min per address
    schema: {type: object, required: [name, email], properties: {name: {type: string}, email: {type: string, format: email}}}
routes:
  - {name: read, on: jobs, inputs: {name: "${form.name}", cv: "${files[0]}"}, flow: local/read_cv}
  - name: tell
    on: jobs
    inputs:
      to: owner@example.com
      subject: Application of ${form.name}
      text: "${form.name} sent ${join(', ', files[].name)}: ${file_url(files[0])}"
      reply_to: ${form.email}
      attachments: ${files}
    flow: local/send_email
  - name: answer
    on: jobs
    inputs: {to: "${form.email}", subject: We have your application, text: Thank you. We write to you within a week.}
    max_runs_per_day: 2
    flow: local/send_email
"""


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def bridge(tmp_path: Path, mail: MailServer, new_processes: None) -> Iterator[Bridge]:
    (tmp_path / "flows.py").write_text(FLOWS)
    environ = {
        "FLOWBRIDGE_SMTP_URL": f"smtp://127.0.0.1:{mail.port}?starttls=no",
        "FLOWBRIDGE_SMTP_FROM": "Jobs <jobs@example.com>",
    }
    bridge = Bridge(tmp_path, routes=ROUTES, environ=environ)
    bridge.environ["FLOWBRIDGE_PUBLIC_URL"] = f"http://127.0.0.1:{bridge.port}"
    with bridge:
        yield bridge


def send(bridge: Bridge, name: str, email: str, *more: bytes) -> Answer:
    body = multipart(
        part("name", name.encode()), part("email", email.encode()), part("cv", PDF, "cv.pdf"), *more
    )
    return bridge.post(
        "/hooks/jobs", body, {"Content-Type": MULTIPART, "Accept": "application/json"}
    )


def test_a_form_with_a_file_reaches_a_flow_and_both_get_mail(
    bridge: Bridge, mail: MailServer
) -> None:
    answer = send(bridge, "Zoë", "zoe@example.com")
    assert answer.status == 202
    until(lambda: len(mail.mails) == 2, what="both mails")
    until(lambda: bridge.count("delivery", "outputs IS NOT NULL") == 3, what="all runs to end")
    (read,) = [
        one for one in bridge.found(answer.json["event_id"]).deliveries if one.route == "read"
    ]
    assert read.outputs == {"name": "Zoë", "size": len(PDF)}
    told, answered = sorted(mail.mails, key=lambda one: str(one["to"]))
    assert (told["to"], told["subject"], told["reply-to"]) == (
        "owner@example.com",
        "Application of Zoë",
        "zoe@example.com",
    )
    text = told.get_body()
    cv = next(told.iter_attachments())
    assert text is not None
    says, _, url = text.get_content().strip().partition(": ")
    assert (says, requests.get(url, timeout=60).content) == ("Zoë sent cv.pdf", PDF)
    (tell,) = [
        one for one in bridge.found(answer.json["event_id"]).deliveries if one.route == "tell"
    ]
    assert (
        tell.inputs["text"] == f"Zoë sent cv.pdf: flowbridge-file:{answer.json['event_id']}/00"
    ), "no link is kept with the delivery"
    assert (cv.get_filename(), cv.get_content_type(), cv.get_content()) == (
        "cv.pdf",
        "application/pdf",
        PDF,
    )
    assert (answered["to"], answered["subject"]) == ("zoe@example.com", "We have your application")
    assert "Zoë" not in answered.as_string(), "what was typed is not sent on to whoever was named"


def test_who_is_no_person_gets_no_mail_and_nobody_is_written_to_without_end(
    bridge: Bridge, mail: MailServer
) -> None:
    within_a_day()
    assert send(bridge, "Bot", "victim@example.com", part("_gotcha", b"x")).status == 202
    assert send(bridge, "Nobody", "a@example.com, victim@example.com").status == 422
    for number in range(3):
        assert send(bridge, f"Ann {number}", f"ann{number}@example.com").status == 202
    until(lambda: len(mail.mails) >= 5, what="three to the owner, two answers")
    until(lambda: bridge.count("delivery", "slot") == 0, what="all runs to end")
    assert bridge.count("delivery", "route = 'answer' AND status = 'queued'") == 1, (
        "the third waits for tomorrow"
    )
    assert len(mail.mails) == 5 and len([one for one in mail.mails if "ann" in str(one["to"])]) == 2
    assert not any("victim" in str(one) for one in mail.mails)
