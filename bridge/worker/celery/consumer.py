"""A consumer for Celery that sets aside a message that is no task, and logs nothing of it.

Celery's own would log the body, and let an error that it does not expect end the process: the
broker would then hand out the message again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.worker import loops
from celery.worker.consumer import Consumer

from bridge.system.logs import get_logger

log = get_logger()


class MessageConsumer(Consumer):  # type: ignore[misc]  # Celery has no types
    """Consumer of a broker that anybody may have written to."""

    def loop(self, *connected: Any) -> None:
        """Take messages until the end. After one that is no message of Celery, connect again."""
        take_messages = loops.asynloop if self.hub else loops.synloop
        try:
            take_messages(*connected)
        except (*self._connection_errors, *self.channel_errors):
            raise
        except Exception as error:
            _log_set_aside(type(error).__name__)
            raise ConnectionError("the broker sent what is no message") from None

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        """Return the function that takes a message."""
        handle = super().create_task_handler(*args, **options)

        def handle_or_set_aside(message: Any) -> None:
            try:
                handle(message)
            except self._connection_errors:
                raise
            except Exception as error:
                self._set_aside(message, error)

        return handle_or_set_aside

    def on_unknown_message(self, _body: object, message: Any) -> None:
        """Set aside a message that names no task."""
        self._set_aside(message)

    def on_unknown_task(self, _body: object, message: Any, exc: Exception) -> None:
        """Set aside a message that names another task."""
        self._set_aside(message, exc)

    def on_invalid_task(self, _body: object, message: Any, exc: Exception) -> None:
        """Set aside a message that is no valid task."""
        self._set_aside(message, exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Set aside a message that cannot be decoded."""
        self._set_aside(message, exc)

    @property
    def _connection_errors(self) -> tuple[type[Exception], ...]:
        """Return the errors of a connection. Redis adds one that malformed messages raise, too."""
        return tuple(error for error in self.connection_errors if error is not KeyError)

    def _set_aside(self, message: Any, error: Exception | None = None) -> None:
        """Log and reject a message, so that the broker does not hand it out again."""
        _log_set_aside("unknown" if error is None else type(error).__name__)
        if not message.acknowledged:
            message.reject()


def _log_set_aside(reason: str) -> None:
    log.limited().error("message_set_aside", reason=reason)
