"""
Making a proper bag of one that was not finished.

A file without its end is read as far as it goes and written again with summary and index; then it
takes the place of the one that was cut off, all of whose whole chunks it has. A file of which
nothing can be read is put aside under another name. ``metadata.yaml`` is written anew; what it
said before of files and messages stays in it, so that what is lost is never forgotten.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import yaml

from ..errors import ConfigurationError, RecordingError
from . import metadata
from .bag_file import being_written
from .bag_reader import ASIDE, BagReader, split_number
from .channel import Channel, DescribedChannel, QosProfile
from .mcap_file import McapFile, RecordedChannel, RecordedMessage
from .mcap_writer import McapWriter
from .ring import RingRecord

_DRAFT = '.recovering'
_CHUNK_BYTES = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Recovery:
    """
    What became of a bag.

    :param bag: the bag, a folder or a file.
    :param mended: the files that were cut off, with how many bytes of them could not be used.
    :param aside: the files of which nothing could be read, under their new names.
    :param before: those that were mended or put aside by a recovery before this one.
    :param gone: the files that ``metadata.yaml`` had and that are not there under any name.
    :param lost: messages that it had and that are not in the bag now, by topic.
    :param counts: messages in the bag now, by topic.
    :param missing: numbers that are left out between the first and the last message, by topic.
    :param dropped: messages that the recording had lost while it was made, by topic.
    :param end_ns: the greatest log time, nanoseconds since the Unix epoch; None without messages.
    """

    bag: pathlib.Path
    mended: Mapping[str, int]
    aside: tuple[str, ...]
    before: tuple[str, ...]
    gone: tuple[str, ...]
    lost: Mapping[str, int]
    counts: Mapping[str, int]
    missing: Mapping[str, int]
    dropped: Mapping[str, int]
    end_ns: int | None


def recover(bag: pathlib.Path) -> Recovery:
    """
    Make a proper bag of one that was not finished; one that was stays as it is.

    :param bag: its folder, or one of its files.
    :raises RecordingError: nothing of it can be read, it cannot be written, or it still is.
    """
    files = [bag] if bag.is_file() else sorted(bag.glob('*.mcap'), key=split_number)
    if not files:
        what = '.mcap file in it' if bag.is_dir() else 'such folder or file'
        raise RecordingError(f'{bag}: there is no {what}')
    _refuse_what_is_being_written(files)
    mended: dict[str, int] = {}
    claim, aside = _claim(bag)
    opened: list[tuple[pathlib.Path, McapFile]] = []
    refusal: RecordingError | None = None
    for path in files:
        try:
            opened.append((path, _opened(path)))
        except RecordingError as problem:
            refusal = problem
            aside.append(path.name + ASIDE)
    if not opened:
        assert refusal is not None
        raise refusal
    try:
        for name in aside:
            path = files[0].parent / name
            path.with_name(name.removesuffix(ASIDE)).rename(path)
        for path, file in opened:
            if file.truncated:
                mended[path.name] = _mend(path, file)
        if bag.is_dir():
            metadata.write(bag, _information([path for path, _ in opened], claim))
    except OSError as problem:
        raise RecordingError(f'{bag} cannot be written: {problem.strerror}') from problem
    return _told(bag, mended, tuple(aside))


def _claim(bag: pathlib.Path) -> tuple[metadata.Claim | None, list[str]]:
    """Return what ``metadata.yaml`` says; under which name to put it aside, if it says nothing."""
    if not (bag / metadata.FILE_NAME).is_file():
        return None, []
    try:
        return metadata.claim(bag, metadata.read(bag)), []
    except RecordingError:
        return None, [metadata.FILE_NAME + ASIDE]


def _refuse_what_is_being_written(files: Sequence[pathlib.Path]) -> None:
    """Refuse a bag whose recorder lives: it would go on writing to a file without a name."""
    for path in files:
        try:
            written = being_written(path)
        except OSError as problem:
            raise RecordingError(f'{path} cannot be read: {problem.strerror}') from problem
        if written:
            raise RecordingError(
                f'{path} is being written: its recorder finishes it by itself when the runtime '
                'ends; fournex inspect and replay show what there is so far'
            )


def _opened(path: pathlib.Path) -> McapFile:
    file = McapFile(path)
    file.open()
    return file


def _mend(path: pathlib.Path, file: McapFile) -> int:
    """Write a file again that was cut off; return how many of its bytes could not be used."""
    channels = [_described(channel) for channel in file.channels]
    index = {channel.topic: number for number, channel in enumerate(file.channels)}
    draft = path.with_name(path.name + _DRAFT)
    draft.unlink(missing_ok=True)
    records = (_record(index[one.topic], one) for one in file.messages())
    head = list(itertools.islice(records, sum(file.beginning.head.values())))
    try:
        writer = McapWriter(
            draft,
            file.beginning.number,
            channels,
            'zstd',
            _CHUNK_BYTES,
            head,
            file.beginning.cause,
            file.beginning.dropped,
            name=path.name,
            cut_off=path.stat().st_size - file.readable_bytes,
        )
        for record in records:
            writer.write(record)
        if file.dropped:
            writer.write_dropped(file.dropped)
        writer.finish()
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    unused = path.stat().st_size - file.readable_bytes
    draft.replace(path)
    return unused


def _record(channel: int, one: RecordedMessage) -> RingRecord:
    data = memoryview(one.data)
    return RingRecord(channel, one.sequence, one.log_time_ns, one.publish_time_ns, data)


def _described(channel: RecordedChannel) -> DescribedChannel:
    try:
        (given, *_) = yaml.safe_load(channel.metadata.get('offered_qos_profiles', '')) or [{}]
        names = [field.name for field in dataclasses.fields(QosProfile)]
        qos = QosProfile(**{name: given[name] for name in names if name in given})
    except (yaml.YAMLError, TypeError, ValueError, ConfigurationError):
        qos = QosProfile()
    return DescribedChannel(
        Channel(channel.topic, channel.type, qos),
        channel.definition,
        channel.metadata.get('topic_type_hash', ''),
        channel.encoding,
    )


def _information(paths: list[pathlib.Path], claim: metadata.Claim | None) -> dict[str, object]:
    """Return ``metadata.yaml`` of the files as they are now."""
    files = [(path, _opened(path)) for path in paths]
    described = {
        channel.topic: _described(channel) for _, file in files for channel in file.channels
    }
    extents = [
        metadata.Extent(
            path.name,
            tuple(file.counts.get(topic, 0) for topic in described),
            file.start_ns,
            file.end_ns,
        )
        for path, file in files
    ]
    return metadata.bag_information(list(described.values()), extents, claim)


def _told(bag: pathlib.Path, mended: Mapping[str, int], aside: tuple[str, ...]) -> Recovery:
    with BagReader(bag) as reader:
        last: dict[str, int] = {}
        missing: dict[str, int] = {}
        for one in reader.messages():
            gap = one.sequence - last.get(one.topic, one.sequence - 1) - 1
            if gap > 0:
                missing[one.topic] = missing.get(one.topic, 0) + gap
            last[one.topic] = one.sequence
        before = tuple(one for one in reader.recovered if one not in mended and one not in aside)
        return Recovery(
            bag,
            mended,
            aside,
            before,
            tuple(one for one in reader.lost_files if one + ASIDE not in (*aside, *before)),
            reader.lost,
            reader.counts,
            missing,
            reader.dropped,
            reader.end_ns,
        )


def words_of(counts: Mapping[str, int]) -> Iterator[str]:
    """Yield ``N of TOPIC``, the most first."""
    for topic, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield f'{count} of {topic}'
