"""Saved models of Stable-Baselines3, read from their files."""

from __future__ import annotations

import pathlib

from fournex_runtime.policy.sb3.saved_policy import Sb3Policy, parse_sb3
from fournex_runtime.policy.zip_members import read_file


def read_sb3(file: pathlib.Path) -> Sb3Policy:
    """Return what a saved model holds; nothing in it is run."""
    return parse_sb3(read_file(file), file)
