"""The Celery application: a queue of (delivery id, lease).

A message that is no task is set aside, and nothing of it is logged. Celery's own consumer would log
the body, and let an error that it does not expect end the process: the broker would then hand out
the message again.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from celery.worker import loops
from celery.worker.consumer import Consumer

from bridge.config.settings import Settings
from bridge.core.errors import BridgeError, SettingsError
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


QUEUE_NAME: Final = "flowbridge"
TASK_NAME: Final = "flowbridge.deliver"
CONNECT_SECONDS: Final = 2  # to the broker


def make_app(settings: Settings) -> Any:
    """Return the Celery application. `SettingsError` where Celery is not installed."""
    try:
        from celery import Celery
        from kombu import Exchange, Queue
    except ModuleNotFoundError as error:
        raise SettingsError(
            "FLOWBRIDGE_ENGINE=celery needs the extra: pip install 'flowbridge[celery,postgres]'"
        ) from error
    app = Celery("flowbridge", broker=settings.broker_url, set_as_current=False)
    is_redis = settings.broker_url.startswith(("redis", "sentinel"))
    app.conf.update(
        # the default exchange: no binding that a broker could lose
        task_queues=[Queue(QUEUE_NAME, Exchange(""), routing_key=QUEUE_NAME)],
        task_default_queue=QUEUE_NAME,
        task_default_exchange="",
        task_default_routing_key=QUEUE_NAME,
        task_serializer="json",
        # never pickle: write access to the broker must not allow running code
        accept_content=["json"],
        task_ignore_result=True,
        task_publish_retry=False,
        task_acks_late=False,  # a lost message does no harm: its lease runs out
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_transport_options=(
            {"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": 3 * CONNECT_SECONDS}
            if is_redis
            else {}
        ),
    )
    return app


def make_publisher(settings: Settings) -> Callable[[str, str], None]:
    """Return a function that sends a delivery's id and its lease to the broker, or raises."""
    app = make_app(settings)
    producers: list[Any] = []  # of one connection; none while there is none

    def publish(delivery_id: str, lease: str) -> None:
        try:
            if not producers:
                producers.append(app.amqp.Producer(app.connection_for_write()))
            app.send_task(
                TASK_NAME,
                args=(delivery_id, lease),
                queue=QUEUE_NAME,
                producer=producers[0],
                retry=False,
            )
        except Exception:
            # the next one begins with a new connection, which declares the queue again
            while producers:
                with suppress(Exception):
                    producers.pop().connection.close()
            raise

    return publish


def execute_forever(
    settings: Settings, calls: Callable[[], Any], concurrency: int, on_hang_up: Callable[[], None]
) -> int:
    """Run a Celery worker until SIGTERM or SIGINT, and return its exit code.

    `calls` makes the process's `TaskRunner` when it is needed.
    """
    from celery import signals

    def hear(**_: object) -> None:
        # Celery's own handler would restart the process
        signal.signal(signal.SIGHUP, lambda *_: on_hang_up())

    app = make_app(settings)
    made: list[Any] = []

    @app.task(name=TASK_NAME)  # type: ignore[untyped-decorator]  # Celery has no types
    def deliver(delivery_id: object, lease: object) -> None:
        try:
            if isinstance(delivery_id, str) and isinstance(lease, str):  # the broker is not trusted
                made[0].make_call(delivery_id, lease)
        except BridgeError as error:  # its lease runs out
            log.error("store_failed", delivery_id=delivery_id, error=str(error))

    signals.setup_logging.connect(lambda **_: None, weak=False)  # else Celery sets up its own
    signals.worker_ready.connect(hear, weak=False)
    name = f"flowbridge-{os.getpid()}@{socket.gethostname()}"
    silent = {
        "without_gossip": True,
        "without_mingle": True,
        "without_heartbeat": True,
        "quiet": True,
    }
    worker = app.Worker(
        hostname=name,
        pool="threads",
        consumer_cls=MessageConsumer,
        concurrency=concurrency,
        **silent,
    )
    made.append(calls())
    worker.start()
    made[0].close()
    return int(worker.exitcode or 0)
