"""
What one topic of a recording is: its name, type and QoS, and what a reader needs to decode it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from ..errors import ConfigurationError

_POLICIES = {
    'reliability': ('reliable', 'best_effort', 'system_default', 'best_available', 'unknown'),
    'durability': ('volatile', 'transient_local', 'system_default', 'best_available', 'unknown'),
    'history': ('keep_last', 'keep_all', 'system_default', 'unknown'),
}


@dataclasses.dataclass(frozen=True)
class QosProfile:
    """
    The quality of service that a topic was recorded with, in the words of rosbag2.

    :param reliability: ``reliable`` or ``best_effort``.
    :param durability: ``volatile`` or ``transient_local``.
    :param history: ``keep_last`` or ``keep_all``.
    :param depth: messages kept with ``keep_last``.
    :raises ConfigurationError: a policy is not one that ROS 2 has.
    """

    reliability: str = 'reliable'
    durability: str = 'volatile'
    history: str = 'keep_last'
    depth: int = 10

    def __post_init__(self) -> None:
        for policy, known in _POLICIES.items():
            if getattr(self, policy) not in known:
                raise ConfigurationError(
                    f'QoS {policy} {getattr(self, policy)!r}: expected one of {", ".join(known)}'
                )
        if self.depth < 0:
            raise ConfigurationError(f'QoS depth {self.depth}: expected 0 or more')


@dataclasses.dataclass(frozen=True)
class Channel:
    """
    One topic of a recording.

    :param topic: fully qualified name, for instance ``/scan``.
    :param type: message type, for instance ``sensor_msgs/msg/LaserScan``.
    :param qos: what the topic was subscribed to or published with.
    :param latched: its last message holds until the next one (a map, a manifest, static
        transforms), so a part of a recording cannot be understood without it.
    """

    topic: str
    type: str
    qos: QosProfile = QosProfile()
    latched: bool = False


@dataclasses.dataclass(frozen=True)
class DescribedChannel:
    """
    A channel together with all that a reader without ROS needs to decode its messages.

    :param channel: the channel.
    :param definition: the ``.msg`` text with the texts of all the types it is made of, as MCAP's
        ``ros2msg`` schemas hold it.
    :param type_hash: the hash of the type after REP 2016, ``RIHS01_…``.
    :param encoding: language of the definition: ``ros2msg`` or ``ros2idl``.
    """

    channel: Channel
    definition: str
    type_hash: str
    encoding: str = 'ros2msg'

    def to_plain(self) -> dict[str, Any]:
        """Return the channel as plain data for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> DescribedChannel:
        """Return the channel that :meth:`to_plain` was called on."""
        inner = dict(plain['channel'])
        inner['qos'] = QosProfile(**inner['qos'])
        return cls(Channel(**inner), plain['definition'], plain['type_hash'], plain['encoding'])
