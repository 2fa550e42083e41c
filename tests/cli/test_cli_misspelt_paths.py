"""check: event types and paths that look like misspelt ones of a provider's samples, or of a form's
fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from check_warnings import SECRET, SOURCES, warnings, write_environment
from command_line import lines, run
from tables import for_each

from bridge.config import includes
from bridge.config import loader as config_loader
from bridge.providers.registry import PROVIDERS
from bridge.providers.signatures.shared_token import Unsigned
from bridge.routing.expressions.paths import follow_path
from bridge.routing.model import Source
from bridge.services.samples.events import free_names, sample_events


@pytest.fixture(autouse=True)
def _project(folder: Path) -> None:
    write_environment(folder)


WRONG = {
    'on: github issues, inputs: {title: "${body.issue.titel}"}': (
        "routes.0.inputs.title",
        "body.issue.titel",
        "body.issue.title",
    ),
    'on: github issues, inputs: {a: {b: ["#${body.isue.number}"]}}': (
        "routes.0.inputs.a.b.0",
        "body.isue.number",
        "body.issue.number",
    ),
    'on: github issues, inputs: {a: "${body.issue.labels[].nmae}"}': (
        "routes.0.inputs.a",
        "body.issue.labels[].nmae",
        "body.issue.labels[].name",
    ),
    'on: github issues, inputs: "${body.isue}"': ("routes.0.inputs", "body.isue", "body.issue"),
    "on: github issues, inputs: {a: 1}, match: {body.issue.stat: open}": (
        "routes.0.match.body.issue.stat",
        "body.issue.stat",
        "body.issue.state",
    ),
    "on: github issues, inputs: {a: 1}, match: {any: [{body.acton: x}, {not: {body.action: y}}]}": (
        "routes.0.match.any.0.body.acton",
        "body.acton",
        "body.action",
    ),
    "on: github issues, inputs: {a: 1}, match: {when: \"body.acton == 'x'\"}": (
        "routes.0.match.when",
        "body.acton",
        "body.action",
    ),
    "on: github issues, inputs: {a: 1}, when: body.issue.numbr > 3": (
        "routes.0.when",
        "body.issue.numbr",
        "body.issue.number",
    ),
    "on: github issues, inputs: {a: 1}, order_by: body.issue.nodeId": (
        "routes.0.order_by",
        "body.issue.nodeId",
        "body.issue.node_id",
    ),
    'on: github issues, inputs: {a: 1}, debounce: {key: "${body.issue.nummber}", wait: 1m}': (
        "routes.0.debounce.key",
        "body.issue.nummber",
        "body.issue.number",
    ),
    'on: github, inputs: {title: "${body.issue.titel}"}': (
        "routes.0.inputs.title",
        "body.issue.titel",
        "body.issue.title",
    ),
    'on: stripe invoice.*, inputs: {a: "${body.data.object.amount_payed}"}': (
        "routes.0.inputs.a",
        "body.data.object.amount_payed",
        "body.data.object.amount_paid",
    ),
    'on: github issues, inputs: {a: "${headers.\\"x-github-evnt\\"}"}': (
        "routes.0.inputs.a",
        'headers."x-github-evnt"',
        'headers."x-github-event"',
    ),
    'on: github issues, inputs: {a: "${event.recieved_at}"}': (
        "routes.0.inputs.a",
        "event.recieved_at",
        "event.received_at",
    ),
}


@pytest.mark.parametrize(("route", "said"), WRONG.items(), ids=WRONG)
def test_a_path_that_is_near_to_one_of_the_samples_is_a_warning(
    folder: Path, route: str, said: tuple[str, str, str]
) -> None:
    (found,) = warnings(folder, route)
    place, path, meant = said
    assert (found["level"], found["line"], found["path"]) == ("warning", 11, place)
    assert (
        f"no `{path}`; did you mean `{meant}`?" in found["message"]
        and "example" in found["message"]
    )


RIGHT = {
    "a path that the sample has": (
        'on: github issues, inputs: {a: "${body.issue.title}"}, match: {body.issue.labels.0.name:'
        " bug}"
    ),
    "an optional field that is like none": (
        'on: github issues, inputs: {a: "${body.changes.title.from} ${body.label.name}"}'
    ),
    "an alternative": 'on: github issues, inputs: {a: "${body.issue.titel || body.issue.title}"}',
    "names that the account chooses": (
        'on: stripe invoice.paid, inputs: {a: "${body.data.object.metadata.oder_id}"}'
    ),
    "an event type without a sample": (
        'on: github workflow_run, inputs: {a: "${body.acton} ${body.isue.titel}"}'
    ),
    "a sender whose shape is its own": 'on: own, inputs: {a: "${body.data.custmer}"}',
    "a form without declared fields": 'on: contact, inputs: {a: "${form.emial} ${form.nmae}"}',
    "fields that are declared": (
        'on: order, inputs: {a: "${form.email} ${body.amount} ${form.phone}"}'
    ),
    "a header, in any case": (
        "on: github issues, inputs: {a: 1}, match: {headers.X-GitHub-Event: issues}"
    ),
    "a text that begins like an expression": (
        "on: github issues, inputs: {a: 1}, when: \"body.action != '${'\""
    ),
    "an expression with such a text": (
        "on: github issues, inputs: {a: 1}, order_by: \"${join('${', [body.action])}\""
    ),
    "a text that is no path": (
        "on: github issues, inputs: {a: \"${join('.', ['body.issue.titel'])}\"}"
    ),
    "flowbridge's own events": 'on: flowbridge alert.*, inputs: {a: "${body.sumary}"}',
    "an event type that the samples lack": (
        'on: [stripe charge.refunded, invoice.voided], inputs: {a: "${body.id}"}'
    ),
    "a pattern": 'on: stripe invoic*.paid, inputs: {a: "${body.id}"}',
}


@pytest.mark.parametrize("route", RIGHT.values(), ids=RIGHT)
def test_what_may_well_be_right_is_no_warning(folder: Path, route: str) -> None:
    assert warnings(folder, route) == []


def test_the_warning_names_its_place_the_sample_and_leaves_the_exit_code(folder: Path) -> None:
    warnings(folder, 'on: github issues, inputs: {title: "${body.issue.titel}"}')
    result = run("check")
    assert result.exit_code == 0 and result.stdout.splitlines()[-1].startswith(
        "routes.yaml is valid"
    )
    assert (
        "routes.yaml:11:70: routes[one].inputs.title: warning: the sample of GitHub issues has no"
        " `body.issue.titel`; did you mean `body.issue.title`? A sample is only an example"
        " (`flowbridge sample github issues` prints it).\n" in result.stdout
    )


def test_a_path_that_several_samples_lack_is_one_warning(folder: Path) -> None:
    (found,) = warnings(folder, 'on: shop orders/*, inputs: {a: "${body.total_prize}"}')
    assert found["message"].startswith(
        "the samples of Shopify orders/create, orders/paid have no `body.total_prize`; did you mean"
    )


def test_a_field_that_is_near_to_a_declared_one_is_a_warning(folder: Path) -> None:
    first, second = warnings(
        folder, 'on: order, inputs: {a: "${form.emial}"}, match: {form.amout: {gt: 3}}'
    )
    assert (
        first["message"]
        == "the schema of order declares no `form.emial`; did you mean `form.email`? It declares"
        " email, amount."
    )
    assert second["message"].startswith(
        "the schema of order declares no `form.amout`; did you mean `form.amount`?"
    )


GITHUB = "https://docs.github.com/en/webhooks/webhook-events-and-payloads"
STRIPE = "https://docs.stripe.com/api/events/types"


def of_stripe(found: str, meant: str) -> str:
    return f"Stripe documents no event type `{found}`; did you mean `{meant}`? All types: {STRIPE}"


def of_github(found: str, meant: str) -> str:
    return f"GitHub documents no event type `{found}`; did you mean `{meant}`? All types: {GITHUB}"


WRONG_TYPES = {
    "on: stripe invoice.payed": of_stripe("invoice.payed", "invoice.paid"),
    "on: [stripe invoice.paid, Invoice.Paid]": of_stripe("Invoice.Paid", "invoice.paid"),
    "source: stripe, match: {event: [invoice.payed]}": of_stripe("invoice.payed", "invoice.paid"),
    "on: stripe customer.subscription.udpated": of_stripe(
        "customer.subscription.udpated", "customer.subscription.updated"
    ),
    "on: stripe invioce.*": of_stripe("invioce.*", "invoice.*"),
    "on: stripe customer.subscripton.*": of_stripe(
        "customer.subscripton.*", "customer.subscription.*"
    ),
    "on: github issue_coment": of_github("issue_coment", "issue_comment"),
    "on: github pull_reqest": of_github("pull_reqest", "pull_request"),
    "on: github Issues": of_github("Issues", "issues"),
    "on: github issues.opened": (
        "GitHub sends no event type `issues.opened`: its type is `issues`, and `body.action` says"
        " the rest; write `on: github issues` with `match: {body.action: opened}`"
    ),
    "on: github pull_reqest.opened": (
        "GitHub sends no event type `pull_reqest.opened`: its type is `pull_request`, and"
        " `body.action` says the rest; write `on: github pull_request` with `match: {body.action:"
        " opened}`"
    ),
    "on: github issues.*": (
        "GitHub sends no event type `issues.*`: its type is `issues`, and `body.action` says the"
        " rest; write `on: github issues`"
    ),
    "on: github deploys": (
        f"GitHub documents no event type `deploys`, unless it is a new one: {GITHUB}"
    ),
}


@pytest.mark.parametrize(("written", "message"), WRONG_TYPES.items(), ids=WRONG_TYPES)
def test_an_event_type_that_the_sender_does_not_document_is_a_warning(
    folder: Path, written: str, message: str
) -> None:
    (found,) = warnings(folder, f'{written}, inputs: {{a: "${{body.id}}"}}')
    place = "routes.0.match.event" if "match:" in written else "routes.0.on"
    assert (found["level"], found["line"], found["path"], found["message"]) == (
        "warning",
        11,
        place,
        message,
    )
    assert run("check").exit_code == 0


def test_without_a_list_an_event_type_that_is_near_to_one_of_the_samples_is_a_warning(
    folder: Path,
) -> None:
    (found,) = warnings(folder, 'on: shop orders/piad, inputs: {a: "${body.id}"}')
    assert found["message"].startswith(
        "no sample of Shopify has the event type `orders/piad`; did you mean `orders/paid`?"
    )


FINE_TYPES = (
    "on: github",
    "on: github *",
    "on: [github issues, pull_request*]",
    "on: stripe customer.*",
    "on: [stripe charge.refunded, v2.core.account.created]",
    "on: renamed anything",
)


@pytest.mark.parametrize("written", FINE_TYPES)
def test_an_event_type_that_the_sender_documents_is_no_warning(folder: Path, written: str) -> None:
    """Nor is one of a source that says itself where the type stands."""
    renamed = f'  renamed: {{provider: github, secret: "{SECRET}", event_type: "header:X-Other"}}\n'
    text = SOURCES.replace("  own:", f"{renamed}  own:")
    (folder / "routes.yaml").write_text(
        f'{text}  - {{name: one, flow: local/echo, inputs: {{a: "${{body.id}}"}}, {written}}}\n'
    )
    (found,) = lines(run("check", "--json"))
    assert (
        found["valid"]
        and [one for one in found["problems"] if one["path"].startswith("routes.")] == []
    )


def test_problems_of_all_kinds_are_listed_by_place(folder: Path) -> None:
    found = warnings(folder, 'on: github issues, inputs: {title: "${body.issue.titel}"}')
    (folder / "routes.yaml").write_text(
        (folder / "routes.yaml").read_text()
        + "  - {name: two, on: contact, flow: local/append_csv}\n"
    )
    (all_found,) = lines(run("check", "--json"))
    places = [(one["line"], one["column"]) for one in all_found["problems"]]
    assert places == sorted(places) and found[0] in all_found["problems"] and places[-1][0] == 12


@pytest.mark.parametrize("secret", [SECRET, "${env:NOT_SET}"])
def test_the_file_is_read_once_for_all_that_is_looked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    read: list[Path] = []
    gather = includes.read_document

    def count(path: Path, *more: Any) -> Any:
        read.append(path)
        return gather(path, *more)

    for module in (includes, config_loader):
        monkeypatch.setattr(module, "read_document", count)
    write_environment(folder)
    (folder / "routes.yaml").write_text(
        SOURCES.replace(SECRET, secret)
        + "  - {name: one, flow: local/echo, on: github issues,"
        + ' inputs: {title: "${body.issue.titel}", id: "$body.id"}}\n'
    )
    found = json.loads(run("check", "--json").stdout)
    assert found["valid"] is (secret == SECRET)
    assert {"routes.0.inputs.title", "routes.0.inputs.id"} <= {
        one["path"] for one in found["problems"]
    }
    assert read == [Path("routes.yaml")]


def test_the_name_of_a_batch_leads_to_its_sample(folder: Path) -> None:
    text = SOURCES.replace(
        "  contact:", f'  pay: {{provider: gocardless, secret: "{SECRET}"}}\n  contact:'
    )
    route = (
        '  - {name: one, flow: local/echo, on: pay payments.failed, inputs: {a: "${body.acton}"}}\n'
    )
    (folder / "routes.yaml").write_text(text + route)
    assert (
        "did you mean `body.action`? A sample is only an example (`flowbridge sample gocardless`"
        " prints it)." in run("check").stdout
    )


@for_each("name", PROVIDERS)
def test_no_path_of_a_sample_is_a_typo_beside_another_sample(name: str) -> None:
    row = PROVIDERS[name]
    source = Source(
        name=name,
        provider=row,
        scheme=row.scheme or Unsigned(),
        event_type=row.event_type,
        batch=row.batch,
    )
    samples = [roots for _, roots in sample_events(source)]
    for roots in samples:
        assert [
            path
            for path in _paths(roots)
            for other in samples
            if follow_path(path, [other], free_names(row)).meant
        ] == []


def _paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, inner in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        yield (*path, str(key))
        yield from _paths(inner, (*path, str(key)))
