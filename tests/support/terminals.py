"""A shell in a terminal of 80 columns, as a person has it before them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from processes import PATIENCE

COLUMNS, ROWS = 80, 24
PROMPT = re.compile(r"<exit (\d+)>\n")
CONTROL_SEQUENCES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)|\r")


class Printed(NamedTuple):
    """The output of a command, without colours, and its exit code."""

    text: str
    code: int


class Terminal:
    """A bash whose standard streams are a terminal."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._terminal, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        settings = termios.tcgetattr(side)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(side, termios.TCSANOW, settings)
        self._shell = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "--noediting", "-i"],
            stdin=side,
            stdout=side,
            stderr=side,
            cwd=folder,
            env={**environ, "PS1": "<exit $?>\\n", "PS2": "", "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(side)
        self.text = ""  #: all that was printed
        self._wait_for(PROMPT, 0)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGHUP)  # as a terminal that is closed
        os.close(self._terminal)
        self._shell.wait(PATIENCE)

    def type(self, line: str) -> int:
        """Type a line, and return where its output begins in `text`."""
        os.write(self._terminal, f"{line}\n".encode())
        return len(self.text)

    def run(self, line: str) -> Printed:
        """Type a command, and wait until it has ended."""
        begin = self.type(line)
        prompt = self._wait_for(PROMPT, begin)
        return Printed(self.text[begin : prompt.start()], int(prompt[1]))

    def wait_for(self, text: str, begin: int = 0) -> None:
        """Wait until a text is printed."""
        self._wait_for(re.compile(re.escape(text)), begin)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self._terminal, b"\x03")

    def _wait_for(self, pattern: re.Pattern[str], begin: int) -> re.Match[str]:
        until = time.monotonic() + PATIENCE
        while (match := pattern.search(self.text, begin)) is None:
            readable, _, _ = select.select([self._terminal], [], [], until - time.monotonic())
            assert readable, f"no {pattern.pattern!r} in {self.text[begin:]!r}"
            piece = os.read(self._terminal, 65536).decode(errors="replace")
            self.text = CONTROL_SEQUENCES.sub("", self.text + piece)
        return match
