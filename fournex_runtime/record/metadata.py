"""
``metadata.yaml`` of a rosbag2 bag, format version 9.

The fields and their order are those of rosbag2's ``rosbag2_storage/yaml.hpp``; the same text
without its outermost key is the ``serialized_metadata`` of the MCAP metadata record ``rosbag2``.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ..errors import RecordingError
from .channel import DescribedChannel, QosProfile

FILE_NAME = 'metadata.yaml'
FORMAT_VERSION = 9

_ROOT = 'rosbag2_bagfile_information'
_CLAIM = 'fournex_claim'
_NEVER = {'sec': 9223372036, 'nsec': 854775807}  # RMW_DURATION_INFINITE
_NO_START_NS = 2**63 - 1  # rosbag2's starting time of a bag without messages


@dataclasses.dataclass(frozen=True)
class Extent:
    """
    How much is in one file of a bag.

    :param name: of the file.
    :param counts: messages of each channel, in the order of the channels.
    :param start_ns: least log time, nanoseconds since the Unix epoch; None without messages.
    :param end_ns: greatest log time; None without messages.
    """

    name: str
    counts: tuple[int, ...]
    start_ns: int | None
    end_ns: int | None

    @property
    def plain(self) -> dict[str, Any]:
        """Return the file as rosbag2 lists it."""
        return {'path': self.name, **_times([self]), 'message_count': sum(self.counts)}


@dataclasses.dataclass(frozen=True)
class Claim:
    """
    What ``metadata.yaml`` says that a bag has, or had before it was recovered.

    :param counts: messages by topic, with those that a file repeats of the one before it.
    :param files: names of its files.
    """

    counts: Mapping[str, int]
    files: tuple[str, ...]


def qos_plain(qos: QosProfile) -> dict[str, Any]:
    """Return a QoS profile as rosbag2 writes it; what we do not set has ROS 2's default."""
    return {
        'history': qos.history,
        'depth': qos.depth,
        'reliability': qos.reliability,
        'durability': qos.durability,
        'deadline': dict(_NEVER),
        'lifespan': dict(_NEVER),
        'liveliness': 'automatic',
        'liveliness_lease_duration': dict(_NEVER),
        'avoid_ros_namespace_conventions': False,
    }


def to_yaml(plain: Any) -> str:
    """Return block-style YAML with the keys in the order given."""
    text: str = yaml.safe_dump(
        plain, sort_keys=False, default_flow_style=False, allow_unicode=True
    )
    return text


def _times(files: Sequence[Extent]) -> dict[str, dict[str, int]]:
    starts = [one.start_ns for one in files if one.start_ns is not None]
    ends = [one.end_ns for one in files if one.end_ns is not None]
    start_ns = min(starts, default=_NO_START_NS)
    return {
        'starting_time': {'nanoseconds_since_epoch': start_ns},
        'duration': {'nanoseconds': max(ends, default=start_ns) - start_ns},
    }


def bag_information(
    channels: Sequence[DescribedChannel], files: Sequence[Extent], claim: Claim | None = None
) -> dict[str, Any]:
    """
    Return what rosbag2 wants to know about a bag.

    :param channels: the topics.
    :param files: its files, oldest first.
    :param claim: what it had before it was recovered, if that is known.
    """
    times = _times(files)
    return {
        'version': FORMAT_VERSION,
        'storage_identifier': 'mcap',
        'duration': times['duration'],
        'starting_time': times['starting_time'],
        'message_count': sum(sum(one.counts) for one in files),
        'topics_with_message_count': [
            {
                'topic_metadata': {
                    'name': described.channel.topic,
                    'type': described.channel.type,
                    'serialization_format': 'cdr',
                    'offered_qos_profiles': [qos_plain(described.channel.qos)],
                    'type_description_hash': described.type_hash,
                },
                'message_count': sum(one.counts[index] for one in files),
            }
            for index, described in enumerate(channels)
        ],
        'compression_format': '',
        'compression_mode': '',
        'relative_file_paths': [one.name for one in files],
        'files': [one.plain for one in files],
        'custom_data': {} if claim is None else {_CLAIM: json.dumps(dataclasses.asdict(claim))},
        'ros_distro': os.environ.get('ROS_DISTRO', 'unknown'),
    }


def write(folder: pathlib.Path, information: dict[str, Any]) -> None:
    """
    Write ``metadata.yaml``, so that it is there whole or not at all.

    :param folder: the bag.
    :param information: from :func:`bag_information`.
    :raises OSError: it cannot be written.
    """
    draft = folder / f'.{FILE_NAME}.tmp'
    try:
        with draft.open('w', encoding='utf-8') as file:
            file.write(to_yaml({_ROOT: information}))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / FILE_NAME)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def read(folder: pathlib.Path) -> dict[str, Any]:
    """
    Return what ``metadata.yaml`` of a bag says.

    :param folder: the bag.
    :raises RecordingError: it cannot be read, or is not rosbag2's.
    """
    file = folder / FILE_NAME
    try:
        root = yaml.safe_load(file.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise RecordingError(f'{file} cannot be read: {problem}') from problem
    information = root.get(_ROOT) if isinstance(root, dict) else None
    if not isinstance(information, dict):
        raise RecordingError(f'{file} is not the metadata of a rosbag2 bag: it lacks {_ROOT!r}')
    return information


def claim(folder: pathlib.Path, information: Mapping[str, Any]) -> Claim:
    """
    Return what a bag is said to have; after a recovery, what it had before.

    :param folder: the bag.
    :param information: from :func:`read`.
    :raises RecordingError: it lacks a field that rosbag2 writes.
    """
    try:
        before = (information.get('custom_data') or {}).get(_CLAIM)
        if before is not None:
            plain = json.loads(before)
            counts, files = plain['counts'].items(), plain['files']
        else:
            files = information['relative_file_paths']
            counts = [
                (topic['topic_metadata']['name'], topic['message_count'])
                for topic in information['topics_with_message_count']
            ]
        names = tuple(pathlib.PurePath(name).name for name in files)
        return Claim({topic: int(count) for topic, count in counts}, names)
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise RecordingError(
            f'{folder / FILE_NAME} lacks a field that rosbag2 writes: {problem}'
        ) from problem
