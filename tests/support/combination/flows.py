"""Flows of the combination test."""

from bridge.flows import flow, log


@flow
def greet(name: str, greeting: str = "Hello") -> dict[str, str]:
    """Greet someone."""
    log("greeting", name)
    return {"text": f"{greeting}, {name}"}


@flow
def fail(title: str) -> None:
    """Fail, after a line of log."""
    log("about to fail")
    raise ValueError(f"this flow fails: {title}")
