"""Something else in the place of each value of a description: it is read, or one error says so."""

from __future__ import annotations

import copy
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from fournex_runtime.errors import FournexError
from fournex_runtime.importers.answers import Answer, Answers
from fournex_runtime.importers.bundle_writer import contract_of
from fournex_runtime.importers.importing import check_complete, draft_of
from fournex_runtime.importers.kinds import IMPORTERS
from fournex_runtime.importers.recognise import recognise

WRONG = (None, 'x', -1, [], {}, [[None]], 10**30)
"""What values are replaced with, in turn."""


def errors_of_wrong_values(
    root: pathlib.Path, name: str, answers: Mapping[str, Any], kind: str, every: int = 1
) -> list[str]:
    """
    Import a sound artifact once for each value of a file, with that value replaced.

    Anything but an error of Fournex is a crash, and passes through.

    :param root: the artifact.
    :param name: the file in it.
    :param answers: what it does not say.
    :param kind: its kind.
    :param every: replace only each so-manieth value, of a long file.
    :returns: the errors.
    """
    file = root if root.is_file() else next(root.rglob(name))
    is_json = file.suffix == '.json'
    sound = (json.loads if is_json else yaml.safe_load)(file.read_text())
    given = Answers()
    for key, answer in answers.items():
        given.add(key, Answer(answer, f'--set {key}'))
    errors = []
    for number, path in enumerate(list(_places(sound))[::every]):
        tree = _replaced(sound, path, WRONG[number % len(WRONG)])
        file.write_text(json.dumps(tree) if is_json else yaml.safe_dump(tree))
        try:
            match = recognise(root, IMPORTERS, kind)
            draft = draft_of(match, given)
            check_complete(draft, match)
            contract_of(draft, str(file))
        except FournexError as problem:
            if 'not recognised' not in str(problem):  # then it is no such artifact any more
                errors.append(str(problem))
    return errors


def _places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the path of everything in a tree."""
    if path:
        yield path
    if isinstance(tree, (dict, list)):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from _places(value, (*path, key))


def _replaced(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a tree with another value at a path."""
    made = copy.deepcopy(tree)
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return made
