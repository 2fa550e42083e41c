"""The systemd protocol of a service: named listening sockets, and notifications of its state.

systemd passes both in environment variables. flowbridge removes them, so that no process started
later takes them for its own: gunicorn would report readiness as soon as it has a socket, and a flow
could report anything.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from types import MappingProxyType

from bridge.core.errors import SettingsError
from bridge.system.logs import get_logger

log = get_logger()

FIRST_FD = (
    3  # the first socket's number: https://man7.org/linux/man-pages/man3/sd_listen_fds.3.html
)
SOCKET_NAMES = ("public", "private")
READY = "READY=1"
SEND_TIMEOUT_SECONDS = 1.0  # for systemd to accept a datagram
_SOCKETS = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
_NOTIFY = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
# our own: the pipe through which a replacement process reports that it is ready
_PREDECESSOR = "TAKES_OVER_FD"
_EMPTY: Mapping[str, str] = MappingProxyType({})


def take_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd passes: that of the public listener, then of the private one.

    Empty without socket activation. Raises `SettingsError` for unexpected sockets.
    """
    variables = {name: environ.pop(name, "") for name in _SOCKETS}
    if _number("LISTEN_PID", variables) != os.getpid():
        return []
    names = variables["LISTEN_FDNAMES"].split(":") if variables["LISTEN_FDNAMES"] else []
    count = _number("LISTEN_FDS", variables)
    if sorted(names) not in (["public"], ["private", "public"]) or len(names) != count:
        raise SettingsError(
            f"systemd passed {count} sockets, named {variables['LISTEN_FDNAMES'] or '(none)'}:"
            " flowbridge requires one named public and accepts one named private"
            " (FileDescriptorName= in the socket unit)"
        )
    return [
        _listening(name, FIRST_FD + names.index(name)) for name in SOCKET_NAMES if name in names
    ]


def handover_environ(sockets: int) -> dict[str, str]:
    """Return the environment variables of a replacement process: its sockets and its ready pipe.

    Call it in that process.
    """
    variables = {_PREDECESSOR: str(FIRST_FD + sockets)}
    names = ":".join(SOCKET_NAMES[:sockets])
    return (
        variables
        if not sockets
        else variables
        | {
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": str(sockets),
            "LISTEN_FDNAMES": names,
        }
    )


def _listening(name: str, number: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=number)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise SettingsError(
            f"the socket {name} from systemd is unusable: {error.strerror}"
        ) from None
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not listens:
        sock.close()
        raise SettingsError(
            f"the socket {name} from systemd does not listen for TCP: set"
            " ListenStream=ADDRESS:PORT and Accept=no"
        )
    sock.set_inheritable(False)
    return sock


class ServiceNotifier:
    """Notifies systemd, and the process that this one replaces; does nothing without either.

    `watchdog`: seconds within which systemd expects a ping, or 0. `predecessor`: the pipe of the
    process that this one replaces, or -1. `environ`: the environment of a replacement process.
    """

    def __init__(
        self,
        address: str = "",
        watchdog: float = 0.0,
        predecessor: int = -1,
        environ: Mapping[str, str] = _EMPTY,
    ) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog = watchdog
        self._predecessor = predecessor
        self.environ = environ

    def __bool__(self) -> bool:
        """Return whether there is a recipient."""
        return bool(self._address) or self._predecessor >= 0

    @property
    def succeeds(self) -> bool:
        """Return whether this process replaces another, which runs until this one is ready."""
        return self._predecessor >= 0

    def send(self, *lines: str) -> bool:
        """Send `NAME=VALUE` lines, and return whether they were delivered.

        https://man7.org/linux/man-pages/man3/sd_notify.3.html
        """
        if self._predecessor >= 0 and READY in lines:
            with suppress(OSError):  # that process is gone
                os.write(self._predecessor, b"\n")
            os.close(self._predecessor)
            self._predecessor = -1
        if not self._address:
            return True
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(SEND_TIMEOUT_SECONDS)
            try:
                sock.sendto("\n".join(lines).encode(), self._address)
            except OSError as error:
                log.warning("systemd_notify_failed", lines=lines, error=str(error))
                return False
        return True


def take_notifier(environ: MutableMapping[str, str]) -> ServiceNotifier:
    """Take the notification variables from the environment, and return the notifier."""
    inherited = {
        name: value for name, value in environ.items() if name not in ("WATCHDOG_PID", _PREDECESSOR)
    }
    variables = {name: environ.pop(name, "") for name in (*_NOTIFY, _PREDECESSOR)}
    predecessor = _number(_PREDECESSOR, variables) or -1
    if predecessor >= 0:
        os.set_inheritable(predecessor, False)
    address = variables["NOTIFY_SOCKET"]
    if address and address[0] not in "/@":
        raise SettingsError(
            "NOTIFY_SOCKET is not a local socket: use an absolute path, or @ and a name"
        )
    is_watched = _number("WATCHDOG_PID", variables) in (0, os.getpid())
    return ServiceNotifier(
        address,
        _number("WATCHDOG_USEC", variables) / 1e6 if is_watched else 0.0,
        predecessor,
        inherited,
    )


def _number(name: str, variables: Mapping[str, str]) -> int:
    text = variables[name] or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise SettingsError(f"{name} is not a number")
    return int(text)
