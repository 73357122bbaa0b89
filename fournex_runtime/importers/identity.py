"""The facts that every contract has: name, version, control period."""

from __future__ import annotations

import re

from .draft import Draft
from .questions import Expected, Question, duration, whole
from .recognise import Match

FIRST = 'the next free'
"""Where the version of a policy comes from that the user gives none."""
_GENERAL = frozenset(
    ('best', 'best_model', 'checkpoint', 'checkpoints', 'config', 'deploy', 'export', 'exported')
    + (
        'final_model',
        'logs',
        'model',
        'models',
        'params',
        'policy',
        'pretrained_model',
        'v0',
        'v1',
    )
)
"""Names of files and folders that say nothing about a policy."""


def ask_identity(draft: Draft, match: Match, said: str = '') -> None:
    """
    Put name and version into a draft: the user's, else after the first telling file name.

    :param said: what the artifact calls itself, if it does.
    """
    path = match.file.path.absolute()
    names = [said, path.stem, *(folder.name for folder in path.parents)]
    telling = [found for one in names if (found := _word(one)) and found.lower() not in _GENERAL]
    draft.tree['name'] = draft.label('name', (telling or ['policy'])[0], 'name of the file', _NAME)
    draft.tree['version'] = draft.label('version', 1, FIRST, whole())


def ask_period(draft: Draft, what: str) -> None:
    """
    Ask for the control period.

    :param what: what it is in the words of this kind of artifact.
    """
    draft.tree['period'] = draft.ask(
        Question(
            'period',
            f'the control period of training: {what}',
            duration(),
            'sim step times decimation or frame skip; at another rate the policy is another one',
        )
    )


def _word(name: str) -> str:
    return re.sub(r'[^A-Za-z0-9_.-]+', '-', name).strip('-_.')


def _name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9_.-]*', value):
        raise ValueError(f'{value!r} is not a name of letters, digits, _ . and -')
    return value


_NAME = Expected('a name', _name, 'my-policy')
