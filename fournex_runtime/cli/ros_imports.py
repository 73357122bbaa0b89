"""Imports that need ROS 2, with the error that says so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..errors import MissingDependencyError


@contextlib.contextmanager
def needing_ros(what: str) -> Iterator[None]:
    """
    Import in here what needs ROS 2 or the messages of Fournex.

    :param what: what cannot be done without, in words.
    :raises MissingDependencyError: a package of theirs is not there.
    """
    try:
        yield
    except ImportError as problem:
        if (problem.name or '').split('.')[0] == 'fournex_runtime':
            raise
        raise MissingDependencyError(
            str(problem.name),
            what,
            'source a ROS 2 environment and the workspace with fournex_msgs '
            '(. install/setup.bash); in the checkout, make demo needs neither',
        ) from problem
