"""What samples show of a sender's values."""

from __future__ import annotations

from tables import for_each

from bridge.importers.payload_shapes import find_shapes
from bridge.providers.registry import PROVIDERS


def test_values_of_a_sample_are_single_or_lists() -> None:
    shapes = find_shapes("github")
    assert shapes.is_single(("action",))
    assert shapes.is_single(("issue", "title"))
    assert shapes.is_list(("issue", "labels"))
    assert not shapes.is_single(("issue", "labels"))


def test_values_that_no_sample_has_are_not_known() -> None:
    shapes = find_shapes("stripe")
    assert not shapes.is_single(("data", "object", "unknown"))
    assert not shapes.is_list(("data", "object", "unknown"))


def test_fields_of_a_form_are_texts() -> None:
    assert find_shapes("twilio").is_single(("MessageSid",))


def test_a_payload_of_the_customers_choice_is_not_known() -> None:
    assert find_shapes("hmac").types == {}
    assert find_shapes("no-such-provider").types == {}


@for_each("provider", sorted(PROVIDERS))
def test_the_samples_of_each_provider_can_be_read(provider: str) -> None:
    assert isinstance(find_shapes(provider).types, dict)
