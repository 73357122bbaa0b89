"""
The model card of a bundle (``card.yaml``): what people should know before they let it drive.

The contract names it with its hash, so it belongs to the bundle. An approval says what it is for
by :func:`approval_hash`, which leaves the card out; once anything else of the bundle changes, it
is an approval of something else, and the bundle is refused until it is approved anew.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import re
from typing import Any

from ..configuration import Section, parse
from ..errors import ContractError
from .contract_types import Contract

_DATE = re.compile(r'[0-9]{4}-[0-9]{2}-[0-9]{2}')
_HASH = re.compile(r'[0-9a-f]{64}')


@dataclasses.dataclass(frozen=True)
class Training:
    """
    The training run; whatever is not known is empty.

    :param algorithm: and library, with versions.
    :param script: what ran.
    :param run: its id or address in an experiment tracker, or a commit.
    :param data: what it was trained on: simulator, demonstrations.
    :param steps: of the environment.
    :param seed: of the run.
    :param date: when it ended.
    """

    algorithm: str = ''
    script: str = ''
    run: str = ''
    data: str = ''
    steps: int | None = None
    seed: int | None = None
    date: datetime.date | None = None


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """
    One evaluation: how it was done, and what came of it.

    :param how: a command line, or words.
    :param where: the simulator, or the robot.
    :param episodes: how many; None where it was not counted so.
    :param successes: how many of them succeeded.
    :param result: in words, beside or instead of these.
    :param date: when.
    """

    how: str
    where: str
    episodes: int | None
    successes: int | None
    result: str
    date: datetime.date | None

    @property
    def outcome(self) -> str:
        """Return what came of it, in words."""
        counted = '' if self.episodes is None else f'{self.successes} of {self.episodes}'
        return ', '.join(filter(None, (counted, self.result)))


@dataclasses.dataclass(frozen=True)
class Approval:
    """
    Who has said that this policy may drive.

    :param by: name.
    :param date: when.
    :param sha256: :func:`approval_hash` of what was approved.
    :param note: conditions; may be empty.
    """

    by: str
    date: datetime.date
    sha256: str
    note: str = ''

    def __str__(self) -> str:
        """Return it for people."""
        return f'{self.by}, {self.date}' + (f': {self.note}' if self.note else '')


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """
    A whole model card.

    :param task: what the policy is for.
    :param training: the run that made it.
    :param limits: where it must not be used, and what it cannot do.
    :param evaluation: how it was judged.
    :param approved: by whom; None as long as nobody has.
    """

    task: str
    training: Training
    limits: tuple[str, ...]
    evaluation: tuple[Evaluation, ...]
    approved: Approval | None

    def tree(self) -> dict[str, Any]:
        """Return what it says as plain mappings, lists, texts and numbers."""
        found: dict[str, Any] = _plain(dataclasses.asdict(self))
        return found


def _plain(value: Any) -> Any:
    """Leave out what is not said; dates become texts."""
    if isinstance(value, dict):
        said = {key: _plain(one) for key, one in value.items()}
        return {key: one for key, one in said.items() if one not in ('', None, [], {})}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, datetime.date) else value


def parse_card(text: str, file: str = 'card.yaml') -> ModelCard:
    """
    Read a model card.

    :raises ContractError: it is not valid.
    """
    section = parse(text, file, ContractError)
    found = ModelCard(
        task=section.text('task', expected='what the policy is for'),
        training=_training(section.optional_section('training')),
        limits=section.texts('limits', ()),
        evaluation=tuple(
            _evaluation(one)
            for one in (section.sections('evaluation') if 'evaluation' in section else ())
        ),
        approved=_approval(section.optional_section('approved')),
    )
    section.finish()
    return found


def approval_hash(contract: Contract) -> str:
    """
    Return the hash of all of a bundle but its card: what an approval is for.

    That of the bundle with the card's line left out and its hash in ``policy.yaml`` all zeros.
    """
    text, files = contract.text, contract.files
    if contract.card is not None:
        section = parse(text, 'policy.yaml', ContractError).section('card')
        begin, end = section.span('sha256')
        text = text[:begin] + '0' * 64 + text[end:]
        del files[contract.card.file]
    files['policy.yaml'] = hashlib.sha256(text.encode()).hexdigest()
    lines = ''.join(f'{files[name]}  {name}\n' for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def _training(section: Section | None) -> Training:
    if section is None:
        return Training()
    found = Training(
        **{key: section.text(key, '') for key in ('algorithm', 'script', 'run', 'data')},
        steps=section.integer('steps') if 'steps' in section else None,
        seed=section.integer('seed') if 'seed' in section else None,
        date=_date(section) if 'date' in section else None,
    )
    section.finish()
    return found


def _evaluation(section: Section) -> Evaluation:
    found = Evaluation(
        how=section.text('how', expected='a command line, or words'),
        where=section.text('where', expected='the simulator, or the robot'),
        episodes=section.integer('episodes', least=1) if 'episodes' in section else None,
        successes=section.integer('successes') if 'successes' in section else None,
        result=section.text('result', ''),
        date=_date(section) if 'date' in section else None,
    )
    if (found.episodes is None) != (found.successes is None):
        raise section.problem('', 'expected episodes and successes, or neither')
    if found.episodes is None and not found.result:
        raise section.problem('', 'expected episodes and successes, or a result in words')
    if found.episodes is not None and (found.successes or 0) > found.episodes:
        message = f'{found.successes} of {found.episodes} episodes cannot have succeeded'
        raise section.problem('successes', message)
    section.finish()
    return found


def _approval(section: Section | None) -> Approval | None:
    if section is None:
        return None
    found = Approval(
        by=section.text('by', expected='the name of who approved it'),
        date=_date(section),
        sha256=section.parsed('sha256', _parse_hash, 'the hash of what was approved'),
        note=section.text('note', ''),
    )
    section.finish()
    return found


def _date(section: Section) -> datetime.date:
    return section.parsed('date', _parse_date, 'a date such as 2026-11-21')


def _parse_date(text: str) -> datetime.date:
    if not _DATE.fullmatch(text):
        raise ValueError(f'expected a date such as 2026-11-21, found {text!r}')
    return datetime.date.fromisoformat(text)


def _parse_hash(text: str) -> str:
    if not _HASH.fullmatch(text):
        raise ValueError('expected 64 lower-case hexadecimal digits (fournex inspect prints them)')
    return text
