"""Names a trace and a span, and the traceparent header that carries them."""

from __future__ import annotations

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
