"""Login to the console: a token or a ticket becomes a session, within limits."""

from __future__ import annotations

import re
import time
from typing import Final
from urllib.parse import unquote, urlsplit

from werkzeug.wrappers import Request, Response

from bridge.core.audit import AuditActor
from bridge.core.client_address import counted_network
from bridge.core.rate_limits import Rate
from bridge.services.access_tokens import authenticate_token
from bridge.services.audit import record_login
from bridge.services.console_tickets import is_ticket_open, is_ticket_valid, use_ticket
from bridge.store.operations import tokens
from bridge.system.logs import get_logger
from bridge.web.admin.authentication import MAX_TOKEN_CHARS
from bridge.web.admin.context import ReaderContext
from bridge.web.bearer import is_admin_token
from bridge.web.client_ip import client_address
from bridge.web.console.failures import refuse
from bridge.web.console.origin_check import is_from_elsewhere
from bridge.web.console.session import COOKIE, SECURE_COOKIE, ConsoleSession, SessionStore
from bridge.web.mount_paths import CONSOLE_PATH, is_console_path

#: Logins of one address, and of all with a text that may be a guess: a person needs one or two.
ADDRESS_LOGIN_RATE: Final = Rate(count=5, per=60.0)
LOGIN_RATE: Final = Rate(count=20, per=60.0)
MAX_NEXT_CHARS: Final = 1000
LOGIN_PAGE: Final = "console"  # in the audit log
_DOT_STEPS: Final = frozenset({".", ".."})  # by which a browser leaves a folder

log = get_logger()


class Login:
    """Logs sessions in and out."""

    def __init__(self, context: ReaderContext, sessions: SessionStore) -> None:
        self._context = context
        self._sessions = sessions

    def is_possible(self) -> bool:
        """Return whether anyone could log in: a token exists, or a ticket is open."""
        if self._context.settings.admin_token:
            return True
        database = self._context.database
        return tokens.has_any(database) or is_ticket_open(database, time.time())

    def read_session(self, request: Request) -> ConsoleSession | None:
        """Return the session of a request; None where it has none."""
        return self._sessions.read(request.cookies.get(self._cookie_name(request)), time.time())

    def begin(self, request: Request) -> ConsoleSession | None:
        """Return the session of the token or ticket in a form; None where that is not valid.

        Raises `PageRefused`: 429 beyond the limits.
        """
        client = client_address(request.environ, self._context.settings)
        now = time.time()
        secret = request.form.get("token", "").strip()
        wait = self._context.limiter.wait(self._list_limits(secret, client, now), now)
        if wait > 0:
            seconds = int(wait) + 1
            raise refuse(
                429,
                f"There were too many logins. Wait {seconds} s, then try again, or log in with a"
                " link of `flowbridge console`, which has no limit.",
                {"Retry-After": str(seconds)},
            )
        session = self._find(secret, now)
        by = AuditActor(LOGIN_PAGE if session is None else session.name, client)
        record_login(self._context.database, by, accepted=session is not None, subject=LOGIN_PAGE)
        name = None if session is None else session.name
        log.info("console_login", ok=session is not None, token=name, client=client)
        return session

    def end(self, session: ConsoleSession) -> None:
        """End a session."""
        self._sessions.end(session)
        log.info("console_logout", token=session.name)

    def set_cookie(self, request: Request, response: Response, session: ConsoleSession) -> None:
        """Give the browser the cookie of a session."""
        is_https = self._is_https(request) or _is_form_https(request)
        response.set_cookie(
            SECURE_COOKIE if is_https else COOKIE,
            session.secret,
            path=CONSOLE_PATH,
            secure=is_https,
            httponly=True,
            samesite="Lax",
        )

    def delete_cookie(self, request: Request, response: Response) -> None:
        """Have the browser forget its cookie."""
        response.delete_cookie(
            self._cookie_name(request),
            path=CONSOLE_PATH,
            secure=self._is_https(request),
            httponly=True,
            samesite="Lax",
        )

    def _list_limits(self, secret: str, client: str | None, now: float) -> list[tuple[str, Rate]]:
        """Return the limits that a login counts toward.

        A ticket and a named token cannot be guessed. So guesses from other addresses do not lock
        out those who have one; and those who can make a ticket are never locked out.
        """
        if is_ticket_valid(self._context.database, secret, now):
            return []
        of_address = (f"console login {counted_network(client)}", ADDRESS_LOGIN_RATE)
        if tokens.find_by_secret(self._context.database, secret, now) is not None:
            return [of_address]
        return [of_address, ("console login", LOGIN_RATE)]

    def _find(self, secret: str, now: float) -> ConsoleSession | None:
        if not 0 < len(secret) <= MAX_TOKEN_CHARS:
            return None
        if is_admin_token(secret, self._context.settings.admin_token):
            return self._sessions.begin_for_admin(now)
        ticket = use_ticket(self._context.database, secret, now)
        if ticket is not None:
            return self._sessions.begin_for_ticket(ticket, now)
        token = authenticate_token(self._context.database, secret, now)
        return None if token is None else self._sessions.begin_for_token(token, now)

    def _cookie_name(self, request: Request) -> str:
        return SECURE_COOKIE if self._is_https(request) else COOKIE

    def _is_https(self, request: Request) -> bool:
        """Return whether the browser uses https: a proxy may have taken TLS off.

        A browser neither accepts nor sends the secure cookie over plain http.
        """
        public = urlsplit(self._context.settings.public_url or "")
        is_public = public.scheme == "https" and public.netloc.lower() == request.host.lower()
        return request.is_secure or is_public or SECURE_COOKIE in request.cookies


def _is_form_https(request: Request) -> bool:
    """Return whether a form comes from an https page, which only the browser knows then."""
    is_own = not is_from_elsewhere(request)
    return is_own and request.headers.get("Origin", "").lower().startswith("https://")


def find_next_page(request: Request) -> str:
    """Return the page to open after the login: a path of the console, else its first page."""
    return check_page(request.values.get("next", "")) or f"{CONSOLE_PATH}/"


def check_page(url: str) -> str | None:
    """Return a path of the console with its query as it was given, None if it is another URL."""
    is_plain = len(url) <= MAX_NEXT_CHARS and url.isascii() and url.isprintable()
    path = re.split("[?#]", url, maxsplit=1)[0]
    is_ours = is_console_path(path) and "//" not in path and "\\" not in url
    leaves = not _DOT_STEPS.isdisjoint(unquote(path).split("/"))
    return url if is_plain and is_ours and not leaves and " " not in url else None
