"""Importing as the command line does it, in this process."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from fournex_runtime.importers.answers import Answer, Answers
from fournex_runtime.importers.bundle_writer import write_bundle
from fournex_runtime.importers.importing import check_complete, draft_of
from fournex_runtime.importers.kinds import IMPORTERS
from fournex_runtime.importers.recognise import recognise
from fournex_runtime.policy.bundle import Bundle


def imported(
    path: pathlib.Path,
    answers: Mapping[str, Any],
    folder: pathlib.Path,
    *also: pathlib.Path,
    kind: str = '',
    overrides: Mapping[str, Any] | None = None,
    runs_programs: bool = False,
) -> Bundle:
    """
    Import an artifact with answers into a folder.

    :param path: the artifact.
    :param answers: as with ``--set``.
    :param folder: the bundle; it must not exist.
    :param also: as with ``--also``.
    :param kind: as with ``--as``.
    :param overrides: as with ``--override``.
    :param runs_programs: as with ``--run-program``.
    """
    given = Answers()
    for key, value in answers.items():
        given.add(key, Answer(value, f'--set {key}'))
    for key, value in (overrides or {}).items():
        given.add(key, Answer(value, f'--override {key}', overrides=True))
    match = recognise(path, IMPORTERS, kind, also)
    draft = draft_of(match, given)
    check_complete(draft, match)
    draft.runs_programs = runs_programs
    return write_bundle(draft, str(path), folder)
