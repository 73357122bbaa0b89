"""From a recognised artifact and answers to a draft, and to the words for what is still open."""

from __future__ import annotations

import pathlib
import shlex
import textwrap
from collections.abc import Sequence

import yaml

from ..configuration import nearest
from ..errors import AnswerError, OpenQuestions
from .answers import Answers
from .draft import Draft
from .questions import Question
from .recognise import Match


def draft_of(match: Match, answers: Answers) -> Draft:
    """
    Return what an artifact and the answers make.

    :raises AnswerError: an answer is not what is expected, or contradicts the artifact.
    :raises ArtifactError: a file of the artifact is not what it should be.
    """
    draft = Draft(answers)
    match.importer.draft(match, draft)
    return draft


def check_complete(draft: Draft, match: Match) -> None:
    """
    Refuse a draft that leaves something open, and answers that nobody asked for.

    :raises OpenQuestions: with every open question, and how to answer it.
    :raises AnswerError: an answer is for no fact of this artifact.
    """
    unused = [f'{key}.{nearest(key, sorted(set(draft.keys)))}' for key in draft.unused]
    if draft.open:
        lines = [
            f'{match.file.path}: does not say {_count(len(draft.open), "fact")} that the contract '
            'needs:',
            *(line for question in draft.open for line in _lines(question)),
            *([MORE_FOLLOW] if draft.more_follow else []),
            'Answer with these options, or in a file: --write-answers FILE writes it to be filled '
            'in, --answers FILE reads it. Nothing was written.',
            *(f'Also given, and asked for by nothing so far: {one}' for one in unused),
        ]
        raise OpenQuestions('\n'.join(lines))
    if unused:
        raise AnswerError(
            f'{match.file.path}: no fact of this artifact is called {unused[0]} Nothing was '
            'written.'
        )


MORE_FOLLOW = 'Further questions depend on these answers.'


def answers_text(draft: Draft, answers: Answers) -> str:
    """Return a file for ``--answers``: what was answered, and what is open to be filled in."""
    parts = []
    for key in answers:
        answer = answers.get(key)
        assert answer is not None
        parts.append(_entry(key, answer.value))
    for question in draft.open:
        comment = [question.what, *([question.why] if question.why else [])]
        comment.append(f'{question.expected.words}, for example: {question.expected.example}')
        parts.append('\n'.join(f'# {line}' for line in comment) + f'\n{_key(question.key)}:\n')
    if draft.more_follow:
        parts.append(f'# {MORE_FOLLOW}\n')
    return '\n'.join(parts)


def write_answers(draft: Draft, answers: Answers, file: pathlib.Path) -> None:
    """
    Write a file for ``--answers``; nothing is overwritten.

    :raises AnswerError: the file is there already, or cannot be written.
    """
    try:
        with file.open('x', encoding='utf-8') as stream:
            stream.write(answers_text(draft, answers))
    except OSError as problem:
        raise AnswerError(f'{file}: cannot be written: {problem.strerror}') from problem


def _lines(question: Question) -> Sequence[str]:
    setting = shlex.quote(f'{question.key}={question.expected.example}')
    what = f'{question.what} ({question.expected.words})'
    said = [line for one in (what, question.why) for line in _wrapped(one, ' ' * 6)]
    return [f'  --set {setting}', *said]


def _wrapped(text: str, indent: str) -> Sequence[str]:
    return textwrap.wrap(text, 96, initial_indent=indent, subsequent_indent=indent)


def _count(number: int, noun: str) -> str:
    return f'one {noun}' if number == 1 else f'{number} {noun}s'


def _key(key: str) -> str:
    text: str = yaml.safe_dump(key, width=10_000)
    return text.splitlines()[0]


def _entry(key: str, value: object) -> str:
    dumped: str = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False
    )
    return f'{_key(key)}: {dumped.removesuffix("...").rstrip().removesuffix("...").rstrip()}\n'
