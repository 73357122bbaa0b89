"""
Reading a rosbag2 bag (MCAP storage), also one whose writer was killed.
"""

from __future__ import annotations

import collections
import contextlib
import pathlib
import re
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

from rosbags.typesys import get_types_from_idl, get_types_from_msg

from ..errors import MessageError, RecordingError
from ..pipeline.message_types import MessageTypes
from ..pipeline.messages import Messages
from . import metadata
from .mcap_file import McapFile, RecordedChannel, RecordedMessage
from .mcap_writer import MISSED

__all__ = ['ASIDE', 'BagReader', 'RecordedChannel', 'RecordedMessage']

ASIDE = '.unreadable'
"""What a recovery adds to the name of a file of which nothing can be read."""


class BagReader:
    """
    A bag: the folder of a recording, or a single ``.mcap`` file.

    :param path: the folder or the file.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = pathlib.Path(path)
        self._files: list[McapFile] = []
        self._channels: dict[str, RecordedChannel] = {}
        self._problems: list[str] = []
        self._claim: metadata.Claim | None = None

    def __enter__(self) -> BagReader:
        """Open the bag; see :meth:`open`."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is held open between two readings."""

    def open(self) -> None:
        """
        Find out what is in the bag.

        :raises RecordingError: there is no such bag, it is of another storage, or damaged.
        """
        found = self._find()
        for path in found:
            file = McapFile(path)
            try:
                file.open()
            except RecordingError as problem:
                # The last file of a recorder that was killed may have no more than its name.
                if path is not found[-1] or not self._files or self._claim is not None:
                    raise
                self._problems.append(str(problem))
                continue
            self._files.append(file)
            if file.truncated:
                self._problems.append(f'{path.name} is cut off')
            for channel in file.channels:
                self._add(channel)
        self._compare_counts()

    @property
    def path(self) -> pathlib.Path:
        """Return the folder or file that was given."""
        return self._path

    @property
    def channels(self) -> tuple[RecordedChannel, ...]:
        """Return the topics of the bag."""
        return tuple(self._channels.values())

    @property
    def counts(self) -> dict[str, int]:
        """
        Return the messages that are in the bag, by topic.

        What a file repeats of the one before it counts once.
        """
        counts = dict.fromkeys(self._channels, 0)
        for file in self._files:
            again = file.beginning.head if self._goes_on(file) else {}
            for topic, count in file.counts.items():
                counts[topic] += max(0, count - again.get(topic, 0))
        return counts

    @property
    def dropped(self) -> dict[str, int]:
        """
        Return the messages that the recording lost as it was made, by topic; none: empty.

        Those are left out that it had lost before the first file of the bag.
        """
        noted = self._noted().items()
        return {topic: count for topic, count in noted if not topic.startswith(MISSED)}

    @property
    def missed(self) -> dict[str, int]:
        """Return the messages that the middleware dropped before they were taken, by topic."""
        noted = self._noted().items()
        return {key[len(MISSED) :]: count for key, count in noted if key.startswith(MISSED)}

    def _noted(self) -> dict[str, int]:
        """Return what is noted as dropped since the bag begins, under the keys of the note."""
        found: dict[str, int] = {}
        for file in self._files:
            for topic, count in file.dropped.items():
                found[topic] = max(count, found.get(topic, 0))
        before = self._files[0].beginning.dropped if self._files else {}
        return {
            topic: count - before.get(topic, 0)
            for topic, count in found.items()
            if count > before.get(topic, 0)
        }

    def made(self, topic: str) -> int:
        """
        Return how many messages of a topic there would be if none of them were lost.

        What ``metadata.yaml`` has counts, and what was lost as the recording was made.
        """
        there = max(self.counts.get(topic, 0), (self.expected_counts or {}).get(topic, 0))
        return there + self.dropped.get(topic, 0)

    @property
    def end_ns(self) -> int | None:
        """Return the greatest log time, since the Unix epoch; None without messages."""
        return max((one.end_ns for one in self._files if one.end_ns is not None), default=None)

    @property
    def cause(self) -> str:
        """Return what set the recording off; empty where that goes without saying."""
        return self._files[0].beginning.cause if self._files else ''

    @property
    def deleted(self) -> int:
        """Return how many files were deleted before the first one, to make room."""
        return self._files[0].beginning.number if self._files else 0

    @property
    def expected_counts(self) -> dict[str, int] | None:
        """
        Return the messages by topic after ``metadata.yaml``; None where there is none.

        Of a bag that was recovered these are the messages that it had before.
        """
        if self._claim is None:
            return None
        again: collections.Counter[str] = collections.Counter()
        for file in self._files:
            again.update(file.beginning.head if self._goes_on(file) else {})
        return {topic: count - again[topic] for topic, count in self._claim.counts.items()}

    @property
    def truncated(self) -> bool:
        """Return whether the bag was not closed: what it ends with may be lost."""
        return bool(self._problems)

    @property
    def lost(self) -> dict[str, int]:
        """Return the messages by topic that ``metadata.yaml`` says were there and are not."""
        counts = self.counts
        return {
            topic: expected - counts.get(topic, 0)
            for topic, expected in (self.expected_counts or {}).items()
            if expected > counts.get(topic, 0)
        }

    @property
    def lost_files(self) -> tuple[str, ...]:
        """Return the files that ``metadata.yaml`` says were there and are not."""
        claimed = () if self._claim is None else self._claim.files
        return tuple(name for name in claimed if not (self._path / name).is_file())

    @property
    def recovered(self) -> tuple[str, ...]:
        """Return the files that were cut off and then recovered, and those put aside for it."""
        mended = [one.path.name for one in self._files if one.beginning.recovered]
        aside = [path.name for path in self._path.glob('*' + ASIDE)]
        return (*mended, *sorted(aside))

    @property
    def problem(self) -> str | None:
        """Return what is not as it should be, for people to read; None when all is well."""
        return '; '.join(self._problems) or None

    def messages(self, topics: Iterable[str] | None = None) -> Iterator[RecordedMessage]:
        """
        Yield messages in the order in which they lie in the bag.

        :param topics: only these; all when left out.
        :raises RecordingError: a topic is not in the bag, or a file is damaged.
        """
        wanted = None if topics is None else frozenset(topics)
        for topic in sorted(wanted or ()):
            if topic not in self._channels:
                raise RecordingError(
                    f'topic {topic} is not in {self._path}, which has '
                    f'{", ".join(sorted(self._channels)) or "none"}'
                )
        return self._messages(wanted)

    def types(self) -> Messages:
        """
        Return the message types, made from nothing but the definitions in the bag.

        :raises RecordingError: a definition cannot be understood, or two contradict each other.
        """
        typestore = MessageTypes()
        for channel in self._channels.values():
            try:
                typestore.register(_parsed(channel))
            except Exception as problem:  # the parser and the store have errors of many kinds
                raise RecordingError(
                    f'{self._path}: the definition of {channel.type} ({channel.topic}) cannot be '
                    f'used: {problem}'
                ) from problem
        for name, used in typestore.undefined():
            raise RecordingError(
                f'{self._path}: the definition of {name} cannot be used: it is made of {used}, '
                'which is not defined'
            )
        return Messages(typestore)

    def other_definitions(self) -> list[str]:
        """Return the types whose definition in the bag is not the one that is known here."""
        there, found = self.types().typestore, []
        here = MessageTypes()
        for name in sorted({channel.type for channel in self._channels.values()}):
            with contextlib.suppress(MessageError):  # what is unknown here contradicts nothing
                here.look_up(name)
        for name, (_, fields) in there.fielddefs.items():
            if name in here.fielddefs and fields != here.fielddefs[name][1]:
                found.append(name)
        return found

    def _messages(self, wanted: frozenset[str] | None) -> Iterator[RecordedMessage]:
        for file in self._files:
            yield from file.messages(wanted, without_head=self._goes_on(file))

    def _goes_on(self, file: McapFile) -> bool:
        """Return whether a file goes on where the one before it ends."""
        at = self._files.index(file)
        return at > 0 and file.beginning.number == self._files[at - 1].beginning.number + 1

    def _find(self) -> list[pathlib.Path]:
        """Return the bag's files, oldest first."""
        if self._path.is_file():
            if self._path.suffix == '.db3':
                raise RecordingError(_other_storage(self._path, 'sqlite3'))
            return [self._path]
        if not self._path.is_dir():
            raise RecordingError(f'{self._path}: there is no such folder or file')
        if (self._path / metadata.FILE_NAME).exists():
            return self._listed(metadata.read(self._path))
        found = sorted(self._path.glob('*.mcap'), key=split_number)
        if not found and any(self._path.glob('*.db3')):
            raise RecordingError(_other_storage(self._path, 'sqlite3'))
        if not found:
            inside = sorted({path.parent.name for path in self._path.glob('*/*.mcap')})
            hint = f'; it holds the bags {", ".join(inside)}' if inside else ''
            raise RecordingError(
                f'{self._path} is not a bag: it holds neither {metadata.FILE_NAME} nor an .mcap '
                f'file{hint}'
            )
        self._problems.append(f'{metadata.FILE_NAME} is missing, so the recorder did not finish')
        return found

    def _listed(self, information: dict[str, Any]) -> list[pathlib.Path]:
        storage = information.get('storage_identifier')
        if storage != 'mcap':
            raise RecordingError(_other_storage(self._path, str(storage)))
        if information.get('compression_mode') not in (None, '', 'none', 'NONE'):
            raise RecordingError(
                f'{self._path} is compressed by {information["compression_mode"]}, which is not '
                'supported. Rewrite it with: ros2 bag convert'
            )
        try:
            names = [pathlib.PurePath(name).name for name in information['relative_file_paths']]
        except (KeyError, TypeError, ValueError) as problem:
            raise RecordingError(
                f'{self._path / metadata.FILE_NAME} lacks a field that rosbag2 writes: {problem}'
            ) from problem
        self._claim = metadata.claim(self._path, information)
        if not names:
            raise RecordingError(f'{self._path} has no .mcap file: its metadata lists none')
        for name in names:
            if not (self._path / name).is_file():
                raise RecordingError(
                    f'{self._path} lacks {name}, which its metadata lists; fournex recover makes '
                    'a bag of the others'
                )
        return [self._path / name for name in names]

    def _add(self, channel: RecordedChannel) -> None:
        known = self._channels.setdefault(channel.topic, channel)
        if (known.type, known.definition) != (channel.type, channel.definition):
            raise RecordingError(
                f'{self._path}: {channel.topic} changes from {known.type} to {channel.type}, or '
                'to another definition of it'
            )

    def _compare_counts(self) -> None:
        """Note what ``metadata.yaml`` claims and is not there."""
        if self.lost_files:
            self._problems.append(
                f'{metadata.FILE_NAME} has more files: {", ".join(self.lost_files)}'
            )
        if self.lost:
            listed = ', '.join(f'{count} of {topic}' for topic, count in self.lost.items())
            self._problems.append(f'{metadata.FILE_NAME} has more messages: {listed}')


def _parsed(channel: RecordedChannel) -> Any:
    if channel.encoding == 'ros2idl':
        return get_types_from_idl(channel.definition)
    return get_types_from_msg(channel.definition, channel.type)


def _other_storage(path: pathlib.Path, storage: str) -> str:
    return (
        f'{path} is a bag of storage {storage!r}; only mcap is read. '
        'Convert it with: ros2 bag convert'
    )


def split_number(path: pathlib.Path) -> tuple[str, int]:
    """Return what the files of a bag are sorted by: name and number."""
    match = re.fullmatch(r'(.*?)_?(\d+)', path.stem)
    return (path.stem, 0) if match is None else (match.group(1), int(match.group(2)))
