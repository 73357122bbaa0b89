"""``fournex policies``: the registry of policies, and what becomes of a bundle before it is in."""

from __future__ import annotations

import argparse
import datetime
import json
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..configuration import nearest
from ..policy.bundle import (
    CHECKSUM_FILE,
    CONTRACT_FILE,
    Bundle,
    approve_bundle,
    load_bundle,
    seal_bundle,
)
from ..policy.bundle_difference import differences, network_difference
from ..policy.contract_text import contract_tree
from ..policy.registry import Registry
from .parser import REFUSED, Parser
from .show_registry import entries_json, entries_table

DIFFERENT = 1
_REFERENCE = 'name@version, name for the newest version, or a folder (a path with a /)'
_PREFIX = 'policies '


def parser() -> Parser:
    """Return the parser of this verb, for its help alone."""
    width = max(map(len, VERBS))
    listed = '\n'.join(f'  {name:<{width}}  {one.what}' for name, one in VERBS.items())
    found = Parser(
        'policies',
        'Keep policies in a registry, by name and version. A version is written once and never '
        f'changed.\n\n{listed}\n\nfournex policies VERB --help explains one of them. The '
        f'registry:\n{Registry().root}',
        (
            ('fournex policies add my_policy/', 'from now on it is name@version'),
            ('fournex policies diff walk@7 walk@8', 'fact by fact, value by value'),
            ('fournex policies verify', 'every file against its hash'),
        ),
    )
    found.add_argument('verb', metavar='VERB', choices=list(VERBS), help=', '.join(VERBS))
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    words = list(arguments)
    if not words or words[0].startswith('-'):
        parser().parse(words)
    if words[0] not in VERBS:
        print(
            f'fournex policies: {words[0]!r} is not one of its verbs.'
            f'{nearest(words[0], list(VERBS))}\nSee: fournex policies --help',
            file=sys.stderr,
        )
        return REFUSED
    verb = VERBS[words[0]]
    options = verb.parser(words[0]).parse(words[1:])
    return verb.run(options)


def _list(options: argparse.Namespace) -> int:
    registry = Registry()
    entries = registry.list()
    if options.json:
        print(json.dumps(entries_json(entries), indent=2, ensure_ascii=False))
    elif entries:
        print(entries_table(entries))
    else:
        print(f'{registry.root} is empty: fournex policies add FOLDER fills it')
    return 0


def _show(options: argparse.Namespace) -> int:
    bundle = _bundle(options.reference)
    if not options.json:
        from .inspect import MISFIT, inspect_bundle

        text, fits = inspect_bundle(bundle.folder)
        print(text)
        return 0 if fits else MISFIT
    contract = bundle.contract
    shown: dict[str, Any] = {
        'reference': contract.reference,
        'sha256': bundle.sha256,
        'folder': str(bundle.folder),
        'contract': contract_tree(contract),
        'card': None if bundle.card is None else bundle.card.tree(),
    }
    print(json.dumps(shown, indent=2, ensure_ascii=False))
    return 0


def _diff(options: argparse.Namespace) -> int:
    before, after = _bundle(options.before), _bundle(options.after)
    found, network = differences(before, after), network_difference(before, after)
    same = not found and not network
    if options.json:
        shown = {
            'before': {'reference': before.contract.reference, 'sha256': before.sha256},
            'after': {'reference': after.contract.reference, 'sha256': after.sha256},
            'same': same,
            'same_network': not network,
            'network': network,
            'differences': [vars(one) for one in found],
        }
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        from .show_registry import differences_table

        print(differences_table(before, after, found, network))
    return 0 if same else DIFFERENT


def _verify(options: argparse.Namespace) -> int:
    registry = Registry()
    problems = registry.verify(options.reference)
    if options.json:
        print(json.dumps([vars(one) for one in problems], indent=2, ensure_ascii=False))
        return DIFFERENT if problems else 0
    for problem in problems:
        print(problem)
    if not problems:
        what = options.reference or f'{len(registry.list())} in {registry.root}'
        print(f'{what}: every file is as it was added')
    return DIFFERENT if problems else 0


def _add(options: argparse.Namespace) -> int:
    registry = Registry()
    bundle = registry.add(options.folder)
    print(f'{bundle.contract.reference}  {bundle.sha256}  {bundle.folder}')
    belongs = {*bundle.contract.files, CONTRACT_FILE, CHECKSUM_FILE}
    left = sorted(one.name for one in options.folder.iterdir() if one.name not in belongs)
    if left:
        print(f'left out, because {CONTRACT_FILE} does not name it: {", ".join(left)}')
    return 0


def _remove(options: argparse.Namespace) -> int:
    registry = Registry()
    registry.remove(options.reference)
    print(f'{options.reference} is no longer in {registry.root}')
    return 0


def _seal(options: argparse.Namespace) -> int:
    bundle = seal_bundle(options.folder)
    print(f'{bundle.contract.reference}  {bundle.sha256}  {bundle.folder}')
    return 0


def _approve(options: argparse.Namespace) -> int:
    day = options.date or datetime.date.today()
    bundle = approve_bundle(options.folder, options.by, day, options.note)
    assert bundle.card is not None
    print(f'{bundle.contract.reference}  {bundle.sha256}  approved by {bundle.card.approved}')
    return 0


def _bundle(text: str) -> Bundle:
    """Return the bundle that the user names."""
    if '/' in text or text in ('.', '..'):
        return load_bundle(pathlib.Path(text))
    return load_bundle(Registry().find(text))


class _Verb:
    """
    One verb of ``fournex policies``.

    :param what: it does, in a few words.
    :param run: does it.
    :param arguments: names of its arguments: ``reference``, ``folder``, ``before``, ``after``.
    :param json: it can print JSON.
    """

    def __init__(
        self,
        what: str,
        run: Callable[[argparse.Namespace], int],
        *arguments: str,
        json: bool = False,
    ) -> None:
        self.what = what
        self.run = run
        self._arguments = arguments
        self._json = json

    def parser(self, name: str) -> Parser:
        """Return its parser."""
        found = Parser(_PREFIX + name, f'{self.what[0].upper()}{self.what[1:]}.')
        for one in self._arguments:
            if one == 'folder':
                found.add_argument(
                    'folder', metavar='FOLDER', type=pathlib.Path, help='folder of a bundle'
                )
            elif one == '[reference]':
                found.add_argument(
                    'reference', metavar='REF', nargs='?', default='', help='only this one'
                )
            else:
                kind = 'name@version' if name == 'remove' else _REFERENCE
                found.add_argument(one, metavar='REF', help=kind)
        if self._json:
            found.add_argument('--json', action='store_true', help='print JSON')
        if name == 'approve':
            found.add_argument('--by', metavar='NAME', required=True, help='who approves')
            found.add_argument('--note', metavar='TEXT', default='', help='conditions')
            found.add_argument(
                '--date', metavar='YYYY-MM-DD', type=datetime.date.fromisoformat, help='(today)'
            )
        return found


VERBS = {
    'list': _Verb('show what there is', _list, json=True),
    'show': _Verb('show one policy: contract and card', _show, 'reference', json=True),
    'diff': _Verb(
        'say what differs between two; exit status 1 when something does',
        _diff, 'before', 'after', json=True,
    ),
    'verify': _Verb(
        'check every file against its hash; exit status 1 when one is not as it was added',
        _verify, '[reference]', json=True,
    ),
    'add': _Verb('copy a bundle into the registry', _add, 'folder'),
    'remove': _Verb('take a version out of the registry', _remove, 'reference'),
    'seal': _Verb('bring the hashes in a policy.yaml up to date', _seal, 'folder'),
    'approve': _Verb('write an approval of a bundle into its model card', _approve, 'folder'),
}  # fmt: skip
