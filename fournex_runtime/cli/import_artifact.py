"""``fournex import``: a policy bundle from what a training left behind."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys
from collections.abc import Iterator, Sequence

from ..errors import AnswerError, BundleError, FournexError, OpenQuestions
from ..importers.answers import Answer, Answers, typed
from ..importers.bundle_writer import check_free, register_bundle, write_bundle
from ..importers.draft import Draft
from ..importers.importing import (
    MORE_FOLLOW,
    answers_text,
    check_complete,
    draft_of,
    write_answers,
)
from ..importers.kinds import IMPORTERS
from ..importers.questions import Question
from ..importers.recognise import Match, recognise
from ..policy.bundle import Bundle
from ..policy.registry import Registry
from ..session.wiring_skeleton import wiring_skeleton
from .inspect import inspect_bundle
from .parser import Parser


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'import',
        'Make a policy bundle of what a training left behind. The artifact is recognised by its '
        'content.\nWhat it does not say is asked for: in the terminal, or else by an error that '
        'lists every open\nquestion. Nothing is guessed, and nothing is overwritten.\n\nkinds:\n'
        + '\n'.join(f'  {one.kind:<18} {one.what}' for one in IMPORTERS),
        (
            ('fournex import policy.zip', 'asks, then puts policy@1 into the registry'),
            ('fournex import run/ --wiring walk.yaml', 'a whole folder; with a wiring to fill in'),
            ('fournex import policy.onnx --to w --answers a.yaml', 'without a terminal'),
        ),
    )
    found.add_argument(
        'path', metavar='PATH', type=pathlib.Path, help='the artifact: a file, or its folder'
    )
    found.add_argument(
        '--to',
        metavar='DIR',
        type=pathlib.Path,
        help='write the bundle into this folder, new or empty, instead of the registry',
    )
    found.add_argument(
        '--wiring', metavar='FILE', type=pathlib.Path,
        help='write a wiring for the policy too, to be filled in',
    )  # fmt: skip
    found.add_argument('--as', dest='kind', metavar='KIND', default='', help='what PATH is')
    found.add_argument(
        '--also', metavar='FILE', type=pathlib.Path, nargs='+', action='extend', default=[],
        help='further files that belong to it',
    )  # fmt: skip
    found.add_argument('--name', help="the policy's name; else that of the file")
    found.add_argument('--version', help='its version, a whole number; else the next free')
    found.add_argument(
        '--set', metavar='KEY=VALUE', dest='settings', action='append', default=[],
        help='answer a question; VALUE is YAML',
    )  # fmt: skip
    found.add_argument(
        '--override', metavar='KEY=VALUE', dest='overrides', action='append', default=[],
        help='contradict what the artifact says',
    )  # fmt: skip
    found.add_argument(
        '--answers', metavar='FILE', type=pathlib.Path, help='answers as a YAML mapping'
    )
    found.add_argument(
        '--run-program', action='store_true',
        help='run TorchScript and torch.export once, in a worker, before the bundle is written',
    )  # fmt: skip
    found.add_argument(
        '--write-answers', metavar='FILE', type=pathlib.Path,
        help='write what was answered and what is open to a file for --answers, and end',
    )  # fmt: skip
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    options = parser().parse(arguments)
    _check_places(options)
    answers = _answers(options)
    match = recognise(options.path, IMPORTERS, options.kind, options.also)
    print(f'{match.file.path}: {match.importer.what} ({match.evidence})')
    draft = draft_of(match, answers)
    for note in draft.notes:
        print(f'  {note}')
    if options.write_answers is not None:
        write_answers(draft, answers, options.write_answers)
        print(f'{options.write_answers}: {len(draft.open)} to fill in; then use --answers')
        if draft.more_follow:
            print(MORE_FOLLOW)
        return 0
    if sys.stdin.isatty() and draft.open:
        draft = _interview(match, draft, answers)
        with _kept(draft, answers):
            bundle = _written(draft, match, options)
    else:
        bundle = _written(draft, match, options)
    reference = bundle.contract.reference if options.to is None else str(options.to)
    print(f'\n{inspect_bundle(bundle.folder)[0]}')
    print(f'\nWritten: {reference}. Check the table by eye.')
    if options.wiring is not None:
        policy = reference if options.to is None else str(options.to.resolve())
        _write_new(options.wiring, wiring_skeleton(bundle.contract, policy))
        print(f'Fill in {options.wiring}; then: fournex doctor {options.wiring}')
    else:
        print(
            f'Wire it to your robot with "policy: {reference}" (docs/wiring.md, or --wiring FILE)'
        )
    return 0


def _check_places(options: argparse.Namespace) -> None:
    """
    Refuse places that cannot be written to, before anything is asked.

    :raises BundleError: one is there already, or in a folder that is not.
    """
    check_free(options.to)
    if options.wiring is not None:
        if options.wiring.exists():
            raise BundleError(f'{options.wiring}: is there already; nothing is overwritten')
        if not options.wiring.absolute().parent.is_dir():
            raise BundleError(f'{options.wiring}: its folder does not exist')


def _written(draft: Draft, match: Match, options: argparse.Namespace) -> Bundle:
    check_complete(draft, match)
    draft.runs_programs = options.run_program
    origin = str(match.file.path)
    if options.to is not None:
        return write_bundle(draft, origin, options.to)
    return register_bundle(draft, origin, Registry())


@contextlib.contextmanager
def _kept(draft: Draft, answers: Answers) -> Iterator[None]:
    """Show what was typed in when all fails in the end, so that nobody types it twice."""
    try:
        yield
    except (FournexError, KeyboardInterrupt):
        print('\nWhat was answered so far, for a file for --answers:\n', file=sys.stderr)
        print(answers_text(draft, answers), file=sys.stderr)
        raise


def _write_new(file: pathlib.Path, text: str) -> None:
    try:
        with file.open('x', encoding='utf-8') as stream:
            stream.write(text)
    except OSError as problem:
        raise BundleError(f'{file}: cannot be written: {problem.strerror}') from problem


def _answers(options: argparse.Namespace) -> Answers:
    answers = Answers()
    for key in ('name', 'version'):
        given = getattr(options, key)
        if given is not None:
            value = given if key == 'name' else typed(given, '--version')
            answers.add(key, Answer(value, f'--{key}'))
    answers.add_settings(options.settings, '--set')
    answers.add_settings(options.overrides, '--override', overrides=True)
    if options.answers is not None:
        answers.add_file(options.answers)
    return answers


def _interview(match: Match, draft: Draft, answers: Answers) -> Draft:
    """Ask the open questions one by one; further ones may follow from an answer."""
    if draft.open:
        print(
            '\nWhat the artifact does not say (empty line: show the question again; Ctrl-D ends):'
        )
    while draft.open:
        question = draft.open[0]
        with _kept(draft, answers):
            answers.add(question.key, _asked(question, match, draft))
            draft = draft_of(match, answers)
    return draft


def _asked(question: Question, match: Match, draft: Draft) -> Answer:
    while True:
        print(f'\n{question.key}: {question.what}')
        if question.why:
            print(f'  {question.why}')
        print(f'  {question.expected.words}, for example {question.expected.example}')
        try:
            text = input('> ')
        except EOFError:
            print()
            check_complete(draft, match)
            raise OpenQuestions(f'{question.key} was not answered') from None
        if not text.strip():
            continue
        try:
            value = typed(text, question.key)
            question.expected.read(value)
        except (AnswerError, ValueError) as problem:
            print(f'  Not taken: {problem}')
            continue
        return Answer(value, f'the answer to {question.key}')
