"""
Discovery over Fast DDS without the wait that it has of its own.

A participant announces itself before it listens, and what the others answer meanwhile is lost:
each answers once, and says more with its next announcement only, up to 3 s later. With the
profiles in ``config/`` another thread announces, and the answer is heard. Other middlewares do not
read them. Seen in rmw_fastrtps_cpp of Jazzy (Fast DDS 2.14) and Kilted (3.2).
"""

from __future__ import annotations

import os
import pathlib

from .shared_files import shared_folders

PROFILES = {
    'fastdds': ('FASTDDS_DEFAULT_PROFILES_FILE', 'fast_dds_3.xml'),
    'fastrtps': ('FASTRTPS_DEFAULT_PROFILES_FILE', 'fast_dds_2.xml'),
}
"""What names the profiles of a generation of Fast DDS, and its file; by its package in ROS 2."""


def discovery_profiles() -> dict[str, str]:
    """
    Return environment variables with which processes discover each other at once.

    :returns: none where neither generation of Fast DDS is there: a later one reads the variable of
        an earlier one, too, and would not understand its file.
    """
    prefixes = [one for one in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) if one]
    for package, (variable, name) in PROFILES.items():
        if any(pathlib.Path(one, 'share', package).is_dir() for one in prefixes):
            files = (folder / name for folder in shared_folders('config'))
            file = next((file for file in files if file.is_file()), None)
            return {} if file is None else {variable: str(file)}
    return {}
