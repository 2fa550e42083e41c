"""The steps of every request to the console: session, origin, scope, page, headers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

from werkzeug.exceptions import MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from bridge.api.problems import report_missing_scope
from bridge.core.errors import StoreError
from bridge.core.status import Overview
from bridge.system.cpu_affinity import switch_often
from bridge.system.ids import request_id
from bridge.system.logs import get_logger
from bridge.web.admin import limits
from bridge.web.admin.authentication import TokenHolder, count_request
from bridge.web.admin.context import ReaderContext
from bridge.web.console.assets import FOLDER, send_asset
from bridge.web.console.compression import compress_page
from bridge.web.console.console_request import ConsoleRequest, Screen, wants_part
from bridge.web.console.environment import make_environment
from bridge.web.console.failures import Failure, PageRefused, find_failure, refuse
from bridge.web.console.links import make_link
from bridge.web.console.live_parts import send_part
from bridge.web.console.login import Login, find_next_page
from bridge.web.console.navigation import list_navigation
from bridge.web.console.origin_check import is_from_elsewhere
from bridge.web.console.page_paths import LOGIN, LOGOUT, find_page, find_page_above, find_sender
from bridge.web.console.page_row import ConsolePage
from bridge.web.console.pages import PAGES
from bridge.web.console.security_headers import secure_page
from bridge.web.console.session import ConsoleSession, SessionStore
from bridge.web.listeners import ListenerPaths
from bridge.web.mount_paths import CONSOLE_PATH

MAX_FORM_BYTES: Final = 64 * 1024
MAX_FORM_FIELDS: Final = 1000
BUSY: Final = Failure(
    status=503,
    detail="All places for readers are taken.",
    headers={"Retry-After": "1"},
    is_retried=True,
)
NOT_FOUND: Final = b'{"error":"not_found","message":"no such resource"}'
ANOTHER_SITE: Final = "Another site sent this request, or your browser did not say which site did."

log = get_logger()


class Console:
    """Answers requests below /console. Create one in each process."""

    def __init__(self, context: ReaderContext) -> None:
        self._context = context
        self._sessions = SessionStore(context.database, context.settings.admin_token)
        self._login = Login(context, self._sessions)
        self._faces = ListenerPaths(context.settings)
        self._templates = make_environment()

    def __call__(self, request: Request) -> Response:
        """Answer a request; errors are pages too."""
        began = time.monotonic()
        id_ = request_id(time.time())
        request.max_content_length = MAX_FORM_BYTES
        request.max_form_parts = MAX_FORM_FIELDS
        session = None
        try:
            sender = self._receive(request)
            with self._context.seats.take() as is_free:
                if not is_free:
                    raise PageRefused(BUSY)
                if (asset := self._find_asset(request)) is not None:
                    return asset
                session = sender
                response = self._answer(request, session)
                if session is not None and not wants_part(request):  # not by its clock
                    self._sessions.record_use(session, time.time())
        except Exception as error:
            response = self._show_failure(request, session, find_failure(error, id_))
        secure_page(response)
        response.headers["X-Request-Id"] = id_
        (log if session else log.limited()).info(
            "console_request",
            id=id_,
            method=request.method,
            token=None if session is None else session.name,
            status=response.status_code,
            ms=round((time.monotonic() - began) * 1000, 1),
        )
        return response

    def _receive(self, request: Request) -> ConsoleSession | None:
        """Return the session of a request whose form has arrived.

        No place for readers is taken meanwhile: clients that send slowly would hold them all.
        """
        if self._is_asset(request):
            return None
        session = self._login.read_session(request)
        if request.method in ("GET", "HEAD"):
            return session
        endpoint, _ = find_page(request.path, request.method)
        if session is not None and isinstance(endpoint, ConsolePage):
            _allow_long_form(endpoint, request, session)
        if session is not None or endpoint == LOGIN:
            _check_field_count(request)
        return session

    def _is_asset(self, request: Request) -> bool:
        path = request.path.removeprefix(CONSOLE_PATH)
        return path.startswith(FOLDER) and request.method in ("GET", "HEAD")

    def _find_asset(self, request: Request) -> Response | None:
        if not self._is_asset(request):
            return None
        return send_asset(request.path.removeprefix(CONSOLE_PATH).removeprefix(FOLDER), request)

    def _answer(self, request: Request, session: ConsoleSession | None) -> Response:
        endpoint, ids = find_page(request.path, request.method)
        if session is None and not self._offers_login(request):
            return Response(NOT_FOUND, status=404, content_type="application/json")
        if is_from_elsewhere(request):
            raise refuse(403, ANOTHER_SITE)
        if endpoint == LOGIN:
            return self._answer_login(request, session)
        if session is None:
            return self._ask_to_log_in(request)
        kind = limits.RateKind.READS
        if isinstance(endpoint, ConsolePage):
            kind = endpoint.rate
        count_request(self._context, TokenHolder(session.name, session.key, session.scopes), kind)
        if request.method not in ("GET", "HEAD"):
            self._check_form(request, session)
        if endpoint == LOGOUT:
            return self._log_out(request, session)
        if isinstance(endpoint, ConsolePage):
            return self._open(endpoint, request, session, ids)
        if isinstance(endpoint, MethodNotAllowed) and request.method in ("GET", "HEAD"):
            return redirect(find_page_above(request.path), 303)
        raise endpoint or NotFound()

    def _offers_login(self, request: Request) -> bool:
        """Return whether a request without a session gets the login.

        A browser on this machine always does, so that the page does not tell whether tokens exist.
        """
        return self._faces.is_local_browser(request.environ) or self._login.is_possible()

    def _open(
        self,
        page: ConsolePage,
        request: Request,
        session: ConsoleSession,
        ids: Mapping[str, str],
    ) -> Response:
        if page.scope not in session.scopes:
            raise report_missing_scope("this page", page.scope, session.scopes)
        if any("\0" in value for value in ids.values()):  # no database looks for it
            raise NotFound()
        console_request = ConsoleRequest(
            context=self._context, session=session, http=request, ids=ids
        )
        with switch_often():  # threads that receive need not wait for the page
            answer = page.view(console_request)
            if isinstance(answer, Response):
                return answer
            return self._render(answer, request, session)

    def _check_form(self, request: Request, session: ConsoleSession) -> None:
        if not self._sessions.is_own_form(session, request.form.get("csrf", "")):
            raise refuse(403, "This form is of another session: reload it, then send it again.")

    # -- login

    def _ask_to_log_in(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise refuse(403, "Your session has ended: log in, then send the form again.")
        if wants_part(request):
            raise refuse(401, "Your session has ended: log in.")
        url = _own_url(request)
        is_first = url.rstrip("/") == CONSOLE_PATH
        return redirect(make_link(LOGIN, {} if is_first else {"next": [url]}), 303)

    def _answer_login(self, request: Request, session: ConsoleSession | None) -> Response:
        next_page = find_next_page(request)
        if request.method != "POST":
            return self._render(_login_screen(next_page, session, 200), request, session)
        begun = self._login.begin(request)
        if begun is None:
            return self._render(_login_screen(next_page, session, 401), request, session)
        response = redirect(next_page, 303)
        self._login.set_cookie(request, response, begun)
        return response

    def _log_out(self, request: Request, session: ConsoleSession) -> Response:
        self._login.end(session)
        response = redirect(make_link(LOGIN), 303)
        self._login.delete_cookie(request, response)
        return response

    # -- pages

    def _render(self, screen: Screen, request: Request, session: ConsoleSession | None) -> Response:
        if screen.is_part:
            html = self._templates.get_template(screen.template).render(**screen.values)
            return send_part(html, request, screen)
        frame: dict[str, Any] = {
            "title": screen.title,
            "session": session,
            "csrf": "" if session is None else self._sessions.sign_form(session),
            "navigation": [],
            "config_errors": (),
            "hold_since": None,
            "hold_reason": None,
            "query": request.args.get("q", ""),
        }
        if session is not None:
            overview = self._read_overview()
            path = request.path.removeprefix(CONSOLE_PATH)
            frame["navigation"] = list_navigation(PAGES, session.scopes, path, overview)
            if overview is not None:
                frame["config_errors"] = overview.config.error
                frame["hold_since"] = overview.hold_since
                frame["hold_reason"] = overview.hold_reason
        html = self._templates.get_template(screen.template).render(**frame, **screen.values)
        response = Response(html, status=screen.status, content_type="text/html; charset=utf-8")
        compress_page(response, request)
        return response

    def _read_overview(self) -> Overview | None:
        with suppress(StoreError):  # the page says so itself, where it matters
            return self._context.overview.get()
        return None

    def _show_failure(
        self, request: Request, session: ConsoleSession | None, failure: Failure
    ) -> Response:
        screen = Screen(
            template="failure.html",
            title=failure.title,
            values={
                "failure": failure,
                "retry_url": _own_url(request) if failure.is_temporary else None,
                "is_form": request.method not in ("GET", "HEAD"),
                "sender": find_sender(request),
            },
            status=failure.status,
        )
        try:
            response = self._render(screen, request, session)
        except Exception as error:
            log.limited().error("internal_error", exc_info=error)
            response = Response(f"{failure.title}\n", status=failure.status)
        response.headers.update(failure.headers)
        return response


def _own_url(request: Request) -> str:
    """Return the path of a request with its query."""
    query = request.query_string.decode("ascii", "replace")
    path = quote(request.path)
    return f"{path}?{query}" if query else path


def _allow_long_form(page: ConsolePage, request: Request, session: ConsoleSession) -> None:
    """Allow the form of a page that may have a long one, for a session that may open the page."""
    if page.max_form_bytes is not None and page.scope in session.scopes:
        request.max_content_length = page.max_form_bytes
        request.max_form_memory_size = page.max_form_bytes


def _check_field_count(request: Request) -> None:
    """Read a form, and refuse one with many fields; werkzeug counts those of a multipart form."""
    raw = request.get_data()
    if request.mimetype != "multipart/form-data" and raw.count(b"&") >= MAX_FORM_FIELDS:
        raise RequestEntityTooLarge()


def _login_screen(next_page: str, session: ConsoleSession | None, status: int) -> Screen:
    return Screen(
        template="login.html",
        title="Log in",
        values={"next": next_page, "is_refused": status != 200, "logged_in": session is not None},
        status=status,
    )
