"""The example robots that come with Fournex: where their wiring files are."""

from __future__ import annotations

import pathlib

from ..configuration import nearest
from ..errors import ConfigurationError
from .shared_files import shared_folders

ROBOTS = ('rover', 'arm', 'pendulum')


def example_wiring(robot: str) -> pathlib.Path:
    """
    Return the wiring file of an example robot, from the checkout or the installed package.

    :param robot: one of ``ROBOTS``.
    :raises ConfigurationError: there is no such robot, or its files are not installed.
    """
    if robot not in ROBOTS:
        raise ConfigurationError(f'{robot!r} is not an example robot.{nearest(robot, ROBOTS)}')
    places = shared_folders('examples')
    for place in places:
        file = place / robot / 'wiring.yaml'
        if file.is_file():
            return _near(file)
    raise ConfigurationError(
        f'the example {robot} is not installed: no {robot}/wiring.yaml in '
        f'{" or ".join(map(str, places))}'
    )


def _near(file: pathlib.Path) -> pathlib.Path:
    """Return a file relative to the present folder where it lies in it: shorter in messages."""
    try:
        return file.relative_to(pathlib.Path.cwd())
    except ValueError:
        return file
