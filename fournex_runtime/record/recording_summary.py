"""What became of a recording."""

from __future__ import annotations

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Summary:
    """
    What became of a recording.

    :param folder: the bag.
    :param complete: the bag is closed as rosbag2 closes one: summary and ``metadata.yaml``. A
        bag that the disk had no more room for can be complete, too, and end early.
    :param problem: what stopped the recording, or None.
    :param written: messages in the bag by topic.
    :param dropped: messages that were handed to the recording and are not in the bag, by topic.
    """

    folder: pathlib.Path
    complete: bool
    problem: str | None
    written: dict[str, int]
    dropped: dict[str, int]

    def __str__(self) -> str:
        dropped = sum(self.dropped.values())
        return ''.join(
            [
                f'{self.folder}: {sum(self.written.values())} messages',
                f', {dropped} dropped' if dropped else '',
                '' if self.problem is None else f' ({self.problem})',
            ]
        )
