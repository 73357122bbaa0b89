"""Importing as the command line does it, in this process."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from fournex_runtime.importers.answers import Answer, Answers
from fournex_runtime.importers.bundle_writer import write_bundle
from fournex_runtime.importers.importing import check_complete, draft_of
from fournex_runtime.importers.kinds import IMPORTERS
from fournex_runtime.importers.recognise import recognise

SAVED = pathlib.Path(__file__).parents[1] / 'policy' / 'sb3' / 'saved'


@pytest.fixture(scope='session')
def saved() -> pathlib.Path:
    """Return the folder of models that Stable-Baselines3 saved."""
    return SAVED


@pytest.fixture
def import_to(tmp_path):
    """Return a function that imports an artifact with answers, and returns the bundle."""

    def run(
        path: pathlib.Path,
        answers: dict[str, Any],
        *also: pathlib.Path,
        kind: str = '',
        overrides: dict[str, Any] | None = None,
        runs_programs: bool = False,
    ):
        given = Answers()
        for key, value in answers.items():
            given.add(key, Answer(value, f'--set {key}'))
        for key, value in (overrides or {}).items():
            given.add(key, Answer(value, f'--override {key}', overrides=True))
        match = recognise(path, IMPORTERS, kind, also)
        draft = draft_of(match, given)
        check_complete(draft, match)
        draft.runs_programs = runs_programs
        return write_bundle(draft, str(path), tmp_path / 'bundle')

    return run
