"""Requests for a new episode, from the thread that hears of them to the loop that serves them."""

from __future__ import annotations

import queue
import threading
import time


class ResetRequest:
    """
    One request.

    :param seed: of the episode to begin.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.since_ns = time.monotonic_ns()
        self.episode = 0
        """Number of the episode that was begun; 0 while none was."""
        self._served = threading.Event()

    def serve(self, episode: int) -> None:
        """Tell who asked that the episode has begun."""
        self.episode = episode
        self._served.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the request was served; return whether it was."""
        return self._served.wait(timeout_s)


class Resets:
    """A queue of requests, served one after the other by the loop between two steps."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[ResetRequest] = queue.SimpleQueue()
        self._next: ResetRequest | None = None

    def ask(self, seed: int) -> ResetRequest:
        """Ask for an episode; from any thread."""
        request = ResetRequest(seed)
        self._waiting.put(request)
        return request

    def next(self) -> ResetRequest | None:
        """Return the request to be served next, which stays until it is dropped; loop only."""
        if self._next is None and not self._waiting.empty():
            self._next = self._waiting.get()
        return self._next

    def drop(self) -> None:
        """Forget the request that ``next`` returned."""
        self._next = None
