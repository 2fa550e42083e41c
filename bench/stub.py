"""A flow server that answers every request at once and notes when each start came: python stub.py
PORT FILE.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time

ANSWER = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'
)
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
EVENT = re.compile(rb'"event_id":"([^"]+)"')


class Requests(asyncio.Protocol):
    """Reads the requests of one connection; `take` gets each, and where its head ends."""

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.data, 0, end)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self.data) < size:
                return
            request = self.data[:size]
            self.data = self.data[size:]
            self.take(request, end)

    def take(self, request: bytes, end: int) -> None:
        raise NotImplementedError


class Stub(Requests):
    def take(self, request: bytes, end: int) -> None:
        self.transport.write(ANSWER)
        if found := EVENT.search(request, end):
            starts.write(f"{time.time():.6f} {found[1].decode()}\n")


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with open(sys.argv[2], "w", buffering=1) as starts:
        asyncio.run(main())
