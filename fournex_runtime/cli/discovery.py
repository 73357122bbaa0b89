"""
Discovery over Fast DDS without the wait that it has of its own.

A participant announces itself before it listens, and what the others answer meanwhile is lost:
each answers once, and says more with its next announcement only, up to 3 s later. With the
profiles in ``config/`` another thread announces, and the answer is heard. Other middlewares do not
read them. Seen in rmw_fastrtps_cpp of Jazzy (Fast DDS 2.14) and Kilted (3.2).
"""

from __future__ import annotations

from .shared_files import shared_folders

PROFILES = {
    'FASTRTPS_DEFAULT_PROFILES_FILE': 'fast_dds_2.xml',
    'FASTDDS_DEFAULT_PROFILES_FILE': 'fast_dds_3.xml',
}
"""The file that each generation of Fast DDS reads, by the environment variable that names it."""


def discovery_profiles() -> dict[str, str]:
    """Return environment variables with which processes discover each other at once."""
    found = {}
    for variable, name in PROFILES.items():
        files = (folder / name for folder in shared_folders('config'))
        file = next((file for file in files if file.is_file()), None)
        if file is not None:
            found[variable] = str(file)
    return found
