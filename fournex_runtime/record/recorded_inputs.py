"""The inputs of a session's ticks, put together again from the messages of a bag."""

from __future__ import annotations

import collections
from collections.abc import Mapping, Sequence

from ..errors import ReplayError
from ..session.tick import EpisodeStart, PolicyChoice, Received, TickInput, TickInputs, TickRecord


class RecordedInputs:
    """
    Keeps the input messages of one session until a tick record says which it consumed.

    :param topics: the session's input topics, in the order of its sources.
    :param remembered_ns: for how long a session remembers the messages of a source, by index;
        of the others it remembers the newest only.
    """

    def __init__(
        self, topics: Sequence[str], remembered_ns: Mapping[int, int] | None = None
    ) -> None:
        self.topics = tuple(topics)
        self.missing: list[str] = []
        """What the last tick consumed and the bag does not have, in words."""
        self._queues: dict[str, collections.OrderedDict[int, bytes]] = {
            topic: collections.OrderedDict() for topic in topics
        }
        self._remembered_ns = remembered_ns or {}
        self._forgotten_ns = [-1] * len(self.topics)
        self._steady_ns = 0
        self._known = [True] * len(self.topics)
        self._last_index = [0] * len(self.topics)

    @property
    def complete(self) -> bool:
        """Return whether all that the last tick consumed or remembered is there."""
        forgotten = all(at_ns < self._steady_ns for at_ns in self._forgotten_ns)
        return not self.missing and forgotten and all(self._known)

    def resume(self, inputs: Sequence[TickInput]) -> tuple[Received | None, ...]:
        """
        Go on from a snapshot, with the newest messages that it names.

        :param inputs: of the snapshot; their messages have been put.
        :returns: these messages; None where none had come, or where it is not there.
        :raises ReplayError: the session has other inputs.
        """
        self._check(len(inputs), 'the snapshot')
        found: list[Received | None] = []
        for source, one in enumerate(inputs):
            data = self._queues[self.topics[source]].get(one.last_index & 0xFFFFFFFF)
            known = data is not None and one.last_index > 0
            found.append(
                Received(one.last_index, one.arrival_ns, data) if data and known else None
            )
            self._last_index[source] = one.last_index
            self._known[source] = known or one.last_index == 0
            self._forgotten_ns[source] = -1
        return tuple(found)

    def _check(self, count: int, what: str) -> None:
        if count != len(self.topics):
            raise ReplayError(f'{what}: has {count} inputs, the manifest names {len(self.topics)}')

    def put(self, topic: str, sequence: int, data: bytes) -> None:
        """Take a message of the bag; those of other topics are passed over."""
        if topic in self._queues:
            self._queues[topic][sequence] = data

    def of_tick(self, record: TickRecord) -> TickInputs:
        """
        Return what a tick was given.

        :param record: the tick, of which all messages have been put.
        :raises ReplayError: it has other inputs than the session.
        """
        self._check(len(record.inputs), f'tick {record.tick}')
        self.missing.clear()
        self._steady_ns = record.steady_ns
        start = None
        if record.episode_start:
            start = EpisodeStart(record.episode.id, record.episode.seed)
        return TickInputs(
            messages=tuple(self._taken(source, record) for source in range(len(self.topics))),
            due_ns=record.due_ns,
            steady_ns=record.steady_ns,
            ros_ns=record.ros_ns,
            episode=start,
            stop=record.cause if record.stop_requested else '',
            policy=PolicyChoice(record.chosen),
        )

    def _taken(self, source: int, record: TickRecord) -> tuple[Received, ...]:
        """Return what the tick took from one source; note what of it is not there."""
        topic, one = self.topics[source], record.inputs[source]
        queue = self._queues[topic]
        taken = []
        for index in range(self._last_index[source] + 1, one.last_index + 1):
            data = queue.get(index & 0xFFFFFFFF)  # "sequence" has 32 bits
            if data is None:
                self.missing.append(f'tick {record.tick}: message {index} of {topic} is not there')
                remembered_ns = self._remembered_ns.get(source, 0)
                self._forgotten_ns[source] = record.steady_ns + remembered_ns
            else:
                taken.append(Received(index, one.arrival_ns, data))
        if one.last_index > self._last_index[source]:
            self._known[source] = bool(taken) and taken[-1].index == one.last_index
            self._last_index[source] = one.last_index
            while queue and next(iter(queue)) < (one.last_index & 0xFFFFFFFF):
                queue.popitem(last=False)
        return tuple(taken)
