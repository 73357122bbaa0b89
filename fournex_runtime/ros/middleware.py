"""What carries the messages: ROS distribution, middleware, how it is set up."""

from __future__ import annotations

import hashlib
import os
import pathlib

from rclpy.utilities import get_rmw_implementation_identifier

_VARIABLES = (
    'ROS_DISTRO',
    'ROS_DOMAIN_ID',
    'ROS_AUTOMATIC_DISCOVERY_RANGE',
    'ROS_STATIC_PEERS',
    'ROS_LOCALHOST_ONLY',
    'RMW_FASTRTPS_USE_QOS_FROM_XML',
    'RMW_FASTRTPS_PUBLICATION_MODE',
)
_PROFILES = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE', 'CYCLONEDDS_URI')
"""Variables that name a file with the profile of a DDS."""


def middleware_facts() -> dict[str, str]:
    """Return what carries this process's messages, by name; what is not set is left out."""
    facts = {'ros.rmw': get_rmw_implementation_identifier()}
    for name in (*_VARIABLES, *_PROFILES):
        value = os.environ.get(name)
        if value:
            facts[f'ros.{name}'] = value + (_hash(value) if name in _PROFILES else '')
    return facts


def _hash(place: str) -> str:
    """Return the hash of a profile, in words: its path says little about another machine."""
    try:
        content = pathlib.Path(place.removeprefix('file://')).read_bytes()
    except OSError as problem:
        return f' ({problem.strerror})'
    return f' (sha256 {hashlib.sha256(content).hexdigest()})'
