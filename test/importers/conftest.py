"""What the tests of importers have: artifacts, and a folder to import them to."""

from __future__ import annotations

import pathlib

import pytest
from imported_bundle import imported

SAVED = pathlib.Path(__file__).parents[1] / 'policy' / 'sb3' / 'saved'


@pytest.fixture(scope='session')
def saved() -> pathlib.Path:
    """Return the folder of models that Stable-Baselines3 saved."""
    return SAVED


@pytest.fixture
def import_to(tmp_path):
    """Return a function that imports an artifact with answers, and returns the bundle."""

    def run(path, answers, *also, **options):
        return imported(path, answers, tmp_path / 'bundle', *also, **options)

    return run
