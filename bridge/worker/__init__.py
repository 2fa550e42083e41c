"""The worker: claims what is due, makes the calls, follows the runs, executes the runs of the embedded platform."""

from bridge.worker.loop import Worker

__all__ = ["Worker"]
