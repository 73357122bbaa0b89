"""Starting what a recording was made with again: wiring, policies, seeds; what differs here."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import FournexError
from ..record.manifest import environment
from ..session.wiring import Wiring, load_wiring
from ..worker.succession import describe_interpreter, describe_isolation
from .hosted import HostedSession
from .middleware import middleware_facts

if TYPE_CHECKING:
    from ..record.recorded_configuration import RecordedConfiguration

_ALWAYS_OTHER = ('host', 'time')


def choose_wiring(
    wiring: str, bundle: str, like: str
) -> tuple[Wiring, RecordedConfiguration | None]:
    """
    Return the wiring that the runtime's parameters name, and the recording that it is of.

    :param wiring: path of a wiring file; empty for none.
    :param bundle: policy instead of the wiring's; empty for none.
    :param like: path of a recording; empty for none.
    :raises FournexError: they contradict each other, or what they name is not there.
    """
    if like:
        if wiring or bundle:
            given = 'wiring' if wiring else 'bundle'
            raise FournexError(
                f'parameters like and {given}: like takes wiring and policies from the recording; '
                f'leave out {given}'
            )
        # What reads recordings is imported for this alone: it would lengthen every other start.
        from ..record.recorded_configuration import recorded_configuration

        recorded = recorded_configuration(pathlib.Path(like).expanduser())
        return recorded.wiring, recorded
    if not wiring:
        raise FournexError('parameter wiring is empty: give the path of a wiring file')
    instead = pathlib.Path(bundle).expanduser() if bundle else None
    return load_wiring(pathlib.Path(wiring).expanduser(), instead), None


def give_seeds(
    sessions: Sequence[HostedSession], first: int, recorded: RecordedConfiguration | None
) -> None:
    """
    Give the sessions the seeds of their episodes.

    :param sessions: the sessions.
    :param first: seed of the first episode, the next have the next; 0 for none.
    :param recorded: the recording whose seeds are taken where none is given.
    """
    for session in sessions:
        if first:
            session.seeds = itertools.count(first)
        elif recorded is not None:
            session.seeds = iter(recorded.seeds[session.name])


def other_than(
    recorded: RecordedConfiguration, sessions: Sequence[HostedSession]
) -> tuple[str, ...]:
    """
    Return what of this machine and its software is not as it was at a recording, in words.

    :param recorded: the recording.
    :param sessions: the sessions of its wiring as they are loaded here.
    """
    here = {
        **environment(
            [session.backend.description for session in sessions],
            [session.engine.contract for session in sessions],
        ),
        **{
            f'isolation.{session.name}': describe_isolation(session.backend)
            for session in sessions
        },
        **{
            f'worker.{session.name}': describe_interpreter(session.backend) for session in sessions
        },
        **middleware_facts(),
    }
    there = recorded.manifest.environment
    unset = [key for key in there if key.startswith(('variable.', 'ros.')) and key not in here]
    return tuple(
        f'{key}: recorded with {there[key]}, here {here.get(key, "none")}'
        for key in (*here, *unset)
        if key not in _ALWAYS_OTHER and key in there and there[key] != here.get(key)
    )
