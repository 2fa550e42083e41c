"""HTML attributes of an input, made from a field's name and JSON Schema. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

INPUT_TYPES = {
    "email": "email",
    "idn-email": "email",
    "uri": "url",
    "iri": "url",
    "url": "url",
    "date": "date",
}
PHONE_NAMES = re.compile(r"(tele)?phone|tel|mobile|telefon|telephone|telefono", re.IGNORECASE)
#: A field's name, letters only -> its autocomplete token.
#: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#autofill
AUTOCOMPLETE: Mapping[str, str] = {
    **dict.fromkeys(("name", "fullname", "yourname"), "name"),
    **dict.fromkeys(("firstname", "givenname", "vorname", "prenom", "nombre"), "given-name"),
    **dict.fromkeys(
        ("lastname", "familyname", "surname", "nachname", "nom", "apellido"), "family-name"
    ),
    **dict.fromkeys(("email", "mail", "emailaddress", "youremail", "replyto"), "email"),
    **dict.fromkeys(
        ("phone", "tel", "telephone", "phonenumber", "mobile", "telefon", "telefono"), "tel"
    ),
    **dict.fromkeys(
        ("company", "organization", "organisation", "firma", "entreprise", "empresa"),
        "organization",
    ),
    **dict.fromkeys(("jobtitle", "role", "position"), "organization-title"),
    **dict.fromkeys(("street", "address", "streetaddress", "strasse"), "street-address"),
    **dict.fromkeys(("city", "town", "ort", "stadt", "ville", "ciudad"), "address-level2"),
    **dict.fromkeys(("state", "region", "province"), "address-level1"),
    **dict.fromkeys(("zip", "zipcode", "postalcode", "postcode", "plz"), "postal-code"),
    **dict.fromkeys(("country", "land", "pays", "pais"), "country-name"),
    **dict.fromkeys(("website", "url", "homepage"), "url"),
    **dict.fromkeys(("birthday", "birthdate", "dateofbirth", "bday"), "bday"),
}


def number_attributes(rule: Mapping[str, Any], kind: str) -> dict[str, Any]:
    step = rule.get("multipleOf")
    attributes: dict[str, Any] = {
        "step": step if isinstance(step, int | float) else 1 if kind == "integer" else "any"
    }
    least = rule.get("minimum")
    most = rule.get("maximum")
    if kind == "integer":  # HTML has no exclusive limits
        least = (
            rule["exclusiveMinimum"] + 1 if isinstance(rule.get("exclusiveMinimum"), int) else least
        )
        most = (
            rule["exclusiveMaximum"] - 1 if isinstance(rule.get("exclusiveMaximum"), int) else most
        )
    attributes |= {
        key: value
        for key, value in (("min", least), ("max", most))
        if isinstance(value, int | float)
    }
    return attributes | {
        "inputmode": (
            "numeric"
            if kind == "integer" and (least or 0) >= 0 and least is not None
            else "decimal"
        )
    }


def anchor_pattern(pattern: str) -> str:
    """Return a JSON Schema pattern as a `pattern` attribute, which must match the whole value."""
    if (
        pattern.startswith("^")
        and pattern.endswith("$")
        and "|" not in pattern
        and not pattern.endswith("\\$")
    ):
        return pattern[1:-1]
    return f".*(?:{pattern}).*"


def autocomplete(name: str) -> dict[str, str]:
    token = AUTOCOMPLETE.get(re.sub(r"[^a-z]", "", name.lower()))
    return {"autocomplete": token} if token else {}
