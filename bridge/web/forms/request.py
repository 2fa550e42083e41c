"""The sender's site, and the language and format of the answer, from the request's headers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from flask import Response
from werkzeug.datastructures import Headers
from werkzeug.sansio.request import Request

from bridge.ingest.forms.parser import Sent
from bridge.ingest.forms.redirects import origin_of, plain_origin
from bridge.ingest.forms.translations import texts
from bridge.routing.form import Form
from bridge.web.receiving.hook_messages import RequestHead

PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "Content-Type, Accept, X-Requested-With",
    "Access-Control-Max-Age": "600",
}


@dataclass(frozen=True)
class FormRequest:
    """One request to a form.

    `public_url`: the bridge's own URL, empty if it is unknown. `sent`: the submission, if it was
    read.
    """

    request: Request
    form: Form
    public_url: str = ""
    sent: Sent | None = None

    @cached_property
    def site(self) -> str | None:
        """Return the origin of the sending page, `null` if it is hidden, None without a header.

        A browser sends Origin with every form that is posted; older ones only Referer.
        https://www.rfc-editor.org/rfc/rfc6454#section-7
        """
        origin = self.request.headers.get("Origin")
        if origin is not None:
            return plain_origin(origin) or "null"
        referer = self.request.headers.get("Referer")
        return None if not referer else origin_of(referer) or "null"

    @property
    def is_own(self) -> bool:
        """Return whether one of our pages sends it: no other page can set these headers."""
        if self.site is None or self.site == "null":
            return False
        return (
            self.site == origin_of(self.public_url)
            or urlsplit(self.site).netloc == self.request.headers.get("Host", "").lower()
        )

    @property
    def is_foreign(self) -> bool:
        """Return whether it comes from a site that may not send this form.

        A request without these headers is not from a browser, and is allowed.
        """
        return (
            bool(self.form.allowed_origins)
            and self.site is not None
            and self.site not in self.form.allowed_origins
            and not self.is_own
        )

    @property
    def redirect_origins(self) -> frozenset[str]:
        """Return the origins to which a form may redirect.

        These are the sites that may send the form, or, if all may, the one that did.
        """
        own = {origin} if (origin := origin_of(self.form.redirect or "")) else set()
        allowed = set(self.form.allowed_origins) or (
            {self.site} if self.site and self.request.headers.get("Origin") else set()
        )
        return frozenset(allowed | own)

    @cached_property
    def wants_json(self) -> bool:
        """Return whether a script sends it, which needs JSON, not a page.

        fetch and XMLHttpRequest always send `Sec-Fetch-Mode`.
        """
        headers = self.request.headers
        if headers.get("X-Requested-With", "").lower() == "xmlhttprequest":
            return True
        accept = self.request.accept_mimetypes
        if any(
            kind in ("text/html", "application/xhtml+xml", "application/json") for kind, _ in accept
        ):
            return (
                accept.best_match(["text/html", "application/json"], default="text/html")
                == "application/json"
            )
        return headers.get("Sec-Fetch-Mode") in ("cors", "same-origin") or (
            self.request.mimetype or ""
        ).endswith("json")

    def language(self, *languages: str | None) -> str:
        """Return the answer's language: the first known of `languages`, the form, the browser."""
        return texts.choose_language(
            self.request.headers.get("Accept-Language", ""), *languages, self.form.page.language
        )

    def allow_reading(self, response: Response) -> Response:
        """Let the scripts of allowed sites read the answer; of all sites if all may send the form.

        Cookies are never involved.

        https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CORS
        """
        reader = (
            "*"
            if not self.form.allowed_origins
            else self.site
            if self.site in self.form.allowed_origins
            else None
        )
        if self.form.allowed_origins:
            response.headers["Vary"] = "Origin"
        if reader is not None and (reader == "*" or "Origin" in self.request.headers):
            response.headers["Access-Control-Allow-Origin"] = reader
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"
            if self.request.method == "OPTIONS":
                response.headers.update(PREFLIGHT_HEADERS)
        return response


def form_request_of(head: RequestHead, form: Form, public_url: str) -> FormRequest:
    """Return the request to a form with this head."""
    request = Request(
        method=head.method,
        scheme=head.scheme,
        server=None,
        root_path="",
        path=head.path,
        query_string=head.query_string.encode("latin-1"),
        headers=Headers(list(head.headers.items())),
        remote_addr=head.address,
    )
    return FormRequest(request, form, public_url)
