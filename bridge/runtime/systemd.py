"""What systemd hands to a service and wants to hear of it: listening sockets, told apart by their
names, and how it stands.

Both are a few variables in the environment. They are taken out of it, so that nobody who is started
later believes them its own: gunicorn would say that all is ready as soon as it has a socket, and a
flow could say anything.
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
SEND_TIMEOUT_SECONDS = 1.0  # seconds that systemd may take to take a datagram
_SOCKETS = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
_NOTIFY = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
# of ours: where a process that is to end hears that the one which takes over is ready
_PREDECESSOR = "TAKES_OVER_FD"
_EMPTY: Mapping[str, str] = MappingProxyType({})


def take_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd listens on for this process: the public face's, and the
    private one's where there is one.

    None at all where it was not started by a socket. `SettingsError` where they are not what is
    wanted.
    """
    told = {name: environ.pop(name, "") for name in _SOCKETS}
    if _number("LISTEN_PID", told) != os.getpid():
        return []
    names = told["LISTEN_FDNAMES"].split(":") if told["LISTEN_FDNAMES"] else []
    count = _number("LISTEN_FDS", told)
    if sorted(names) not in (["public"], ["private", "public"]) or len(names) != count:
        raise SettingsError(
            f"systemd gave {count} sockets, called {told['LISTEN_FDNAMES'] or 'nothing'}: one"
            " called public is wanted, and one called private may be there (FileDescriptorName= in"
            " the socket's unit)"
        )
    return [
        _listening(name, FIRST_FD + names.index(name)) for name in SOCKET_NAMES if name in names
    ]


def handover_environ(sockets: int) -> dict[str, str]:
    """Return what is added to the environment of a process that takes over, called in that one: its
    sockets, and then whom it tells.
    """
    told = {_PREDECESSOR: str(FIRST_FD + sockets)}
    names = ":".join(SOCKET_NAMES[:sockets])
    return (
        told
        if not sockets
        else told
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
            f"the socket that systemd calls {name} cannot be used: {error.strerror}"
        ) from None
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not listens:
        sock.close()
        raise SettingsError(
            f"the socket that systemd calls {name} does not listen for TCP:"
            " ListenStream=ADDRESS:PORT and Accept=no are wanted"
        )
    sock.set_inheritable(False)
    return sock


class Notify:
    """Tells systemd how the service stands; tells nobody where nobody listens. `watchdog`: seconds
    within which it wants a sign, or 0.

    `predecessor`: the pipe of a process that ends once this one is ready, or -1. `environ`: what a
    process that takes over begins with.
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
        """Whether anybody listens."""
        return bool(self._address) or self._predecessor >= 0

    @property
    def succeeds(self) -> bool:
        """Whether another process waits for this one to be ready, and goes on until then."""
        return self._predecessor >= 0

    def say(self, *lines: str) -> bool:
        """Send `NAME=VALUE` lines, and return whether whoever listens has them:
        https://man7.org/linux/man-pages/man3/sd_notify.3.html
        """
        if self._predecessor >= 0 and READY in lines:
            with suppress(OSError):  # it is gone
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
                log.warning("systemd_not_told", lines=lines, error=str(error))
                return False
        return True


def take_notify(environ: MutableMapping[str, str]) -> Notify:
    """Return whom to tell, as the environment says it."""
    given = {
        name: value for name, value in environ.items() if name not in ("WATCHDOG_PID", _PREDECESSOR)
    }
    told = {name: environ.pop(name, "") for name in (*_NOTIFY, _PREDECESSOR)}
    predecessor = _number(_PREDECESSOR, told) or -1
    if predecessor >= 0:
        os.set_inheritable(predecessor, False)
    address = told["NOTIFY_SOCKET"]
    if address and address[0] not in "/@":
        raise SettingsError(
            "NOTIFY_SOCKET is no socket of this machine: a path, or @ and a name, is wanted"
        )
    wanted = _number("WATCHDOG_PID", told) in (0, os.getpid())
    return Notify(
        address, _number("WATCHDOG_USEC", told) / 1e6 if wanted else 0.0, predecessor, given
    )


def _number(name: str, told: Mapping[str, str]) -> int:
    text = told[name] or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise SettingsError(f"{name} is no number")
    return int(text)
