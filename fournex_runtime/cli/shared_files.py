"""Where the files are that come with Fournex beside its modules: examples and configuration."""

from __future__ import annotations

import os
import pathlib


def shared_folders(name: str) -> list[pathlib.Path]:
    """
    Return where a folder of the checkout can be, also when it is installed.

    :param name: of the folder, as in the checkout.
    :returns: in the checkout first, then in each prefix of ``AMENT_PREFIX_PATH``.
    """
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep)
    return [
        pathlib.Path(__file__).resolve().parents[2] / name,
        *(pathlib.Path(prefix, 'share', 'fournex_runtime', name) for prefix in prefixes if prefix),
    ]
