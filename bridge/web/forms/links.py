"""The pages to which the answer to a submission redirects or links."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from bridge.core.errors import Refused
from bridge.core.model import JSON
from bridge.ingest.forms.control_fields import control_texts
from bridge.ingest.forms.redirects import redirect_target
from bridge.ingest.forms.translations import texts
from bridge.routing.model import Source
from bridge.web.forms import pages
from bridge.web.forms.request import FormRequest

# parameters that the page of `on_error` gets
FORM_ERROR = "form_error"
FORM_FIELDS = "form_fields"


def find_redirect(control: Mapping[str, JSON], asking: FormRequest) -> str | None:
    """Return the page that follows: the one that the form requests, else the configured one."""
    return find_requested_page(control, asking) or asking.form.redirect


def find_requested_page(control: Mapping[str, JSON], asking: FormRequest) -> str | None:
    """Return the first page that the form requests and that is allowed."""
    base = asking.site if asking.site in asking.redirect_origins else None
    targets = (
        redirect_target(url, asking.redirect_origins, base)
        for url in control_texts(control, "redirect")
    )
    return next((url for url in targets if url), None)


def link_to_site(asking: FormRequest, language: str) -> pages.Link | None:
    """Return a link back to the sender's site, if it is a configured one."""
    site = asking.site
    if site is None or site not in asking.form.allowed_origins:
        return None
    return pages.Link(site, texts.text(language, "back_to", site=urlsplit(site).netloc))


def link_to_form(asking: FormRequest, source: Source, language: str) -> pages.Link | None:
    """Return a link back to the hosted form, if one of our pages sent the submission."""
    is_ours = asking.is_own and asking.form.page.hosted and not asking.request.path.endswith("/")
    return (
        pages.Link(f"../forms/{source.name}", texts.text(language, "to_form")) if is_ours else None
    )


def find_error_page(refused: Refused, asking: FormRequest) -> str | None:
    """Return the page of `on_error`, with the error code and the invalid fields in its query.

    It names only fields of the schema.
    """
    on_error = asking.form.on_error
    if on_error == "page" or refused.status in (403, 405):
        return None
    url = (
        redirect_target(asking.request.headers.get("Referer", ""), asking.form.allowed_origins)
        if on_error == "back"
        else on_error
    )
    if url is None:
        return None
    properties = asking.form.properties
    query = {
        FORM_ERROR: refused.code,
        FORM_FIELDS: ",".join(name for name in refused.fields if name in properties),
    }
    parts = urlsplit(url)
    before = [
        part
        for part in parts.query.split("&")
        if part and not part.startswith((f"{FORM_ERROR}=", f"{FORM_FIELDS}="))
    ]
    return urlunsplit(
        parts._replace(
            query="&".join(
                [*before, urlencode({name: value for name, value in query.items() if value})]
            )
        )
    )
