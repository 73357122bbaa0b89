"""A subscribed topic that one or more sessions read, each at its own ticks."""

from __future__ import annotations

from collections.abc import Callable

from ..session.tick import Received
from .polling import PolledTopic
from .run_recording import Write


class Feed:
    """
    Drains a topic once for all the sessions that read it.

    :param topic: the subscription.
    """

    def __init__(self, topic: PolledTopic) -> None:
        self.topic = topic
        self._queues: list[list[Received]] = []
        self._write: Write | None = None
        self._tell_missed: Callable[[int], None] = _nobody
        self._missed = 0

    def attach(self) -> list[Received]:
        """Return a queue that every drain appends to; its reader clears it."""
        queue: list[Received] = []
        self._queues.append(queue)
        return queue

    def record(self, write: Write, tell_missed: Callable[[int], None]) -> None:
        """
        Record every message from now on, by its number.

        :param write: takes a message.
        :param tell_missed: takes how many the middleware has dropped, when there are more.
        """
        self._write, self._tell_missed = write, tell_missed

    def first(self) -> Received | None:
        """Look for a message before the first tick; see ``PolledTopic.take_newest``."""
        return self.topic.take_newest()

    def all_so_far(self) -> list[Received]:
        """Take what has arrived before the first tick, for what is told only once."""
        return self.topic.take()

    def push(self, received: Received) -> None:
        """Give a message to every session that reads the topic."""
        if self._write is not None:
            self._write(received.data, received.index)
        for queue in self._queues:
            queue.append(received)

    def drain(self) -> None:
        """Take what has arrived."""
        found = self.topic.take()
        if not found:
            return
        missed = self.topic.missed
        if missed is not None and missed != self._missed:
            self._missed = missed
            self._tell_missed(missed)
        if self._write is not None:
            for received in found:
                self._write(received.data, received.index)
        for queue in self._queues:
            queue.extend(found)


def _nobody(missed: int) -> None:
    """Do nothing: there is no recording."""
