"""The client of captcha services. Each check ends within a bounded time."""

from __future__ import annotations

import threading
from functools import cached_property
from urllib.parse import urlsplit

from bridge.core.http_messages import Answer, NoAnswer
from bridge.ingest.forms.spam import captchas
from bridge.routing.form import Captcha
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import HttpClient
from bridge.system.logs import get_logger

log = get_logger()
MAX_CONCURRENT_CHECKS = (
    8  # checks that run at once in a process, so that a service that hangs takes no more threads
)


class CaptchaClient:
    """Verify captcha answers, each in a thread: resolving a host name has no timeout.

    Create it after the fork.
    """

    def __init__(self, *, ca_file: str | None = None) -> None:
        self._ca_file = ca_file
        self._places = threading.BoundedSemaphore(MAX_CONCURRENT_CHECKS)

    def solve(self, captcha: Captcha, response: str, address: str | None) -> str | None:
        """Return why the captcha does not confirm a submission, None if it does."""
        reason = captchas.read_verification(captcha, self._ask(captcha, response, address))
        if reason and captchas.UNCHECKED in reason:
            log.limited().error(
                "captcha_check_failed",
                kind=captcha.kind,
                host=urlsplit(captcha.url).hostname,
                reason=reason,
            )
        return reason

    @cached_property
    def _sender(self) -> HttpClient:
        return HttpClient(
            max_answer=captchas.MAX_VERIFICATION_BYTES,
            connections=MAX_CONCURRENT_CHECKS,
            ca_file=self._ca_file,
        )

    def _ask(self, captcha: Captcha, response: str, address: str | None) -> Answer | NoAnswer:
        host = urlsplit(captcha.url).hostname
        if not self._places.acquire(blocking=False):
            return NoAnswer(
                f"{host}: {MAX_CONCURRENT_CHECKS} checks are already running", sent=False
            )
        answers: list[Answer | NoAnswer] = []
        over = threading.Event()

        def run() -> None:
            try:
                answers.append(
                    self._sender.send(
                        captchas.build_verification(captcha, response, address),
                        Deadline.after(captcha.timeout),
                    )
                )
            finally:
                self._places.release()
                over.set()

        try:
            threading.Thread(target=run, name="captcha", daemon=True).start()
        except RuntimeError:  # no more threads
            self._places.release()
            return NoAnswer(f"{host}: no thread could be started", sent=False)
        over.wait(captcha.timeout + 0.5)
        return (
            answers[0]
            if answers
            else NoAnswer(f"{host}: no answer within {captcha.timeout:g} s", sent=True)
        )
