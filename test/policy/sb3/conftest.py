"""Saved models to read, and to alter."""

from __future__ import annotations

import pathlib

import pytest
from pickle_code import members, zipped

SAVED = pathlib.Path(__file__).parent / 'saved'


@pytest.fixture(scope='session')
def saved() -> dict[str, bytes]:
    """Return the members of a model that Stable-Baselines3 saved."""
    return members(SAVED / 'ppo.zip')


@pytest.fixture(scope='session')
def vec_normalize() -> bytes:
    """Return a file that a VecNormalize saved."""
    return (SAVED / 'vec_normalize.pkl').read_bytes()


@pytest.fixture
def model(saved, tmp_path):
    """Write a model, some members replaced, some (None) left out; returns the file."""

    def write(**changes: bytes | None) -> pathlib.Path:
        changed = saved | {name.replace('__', '.'): data for name, data in changes.items()}
        file = tmp_path / 'model.zip'
        file.write_bytes(zipped({n: data for n, data in changed.items() if data is not None}))
        return file

    return write
