"""``fournex inspect``: what is in a policy bundle, a wiring file or a recording."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from ..configuration import nearest
from ..errors import FournexError
from ..policy.bundle import CONTRACT_FILE
from .examples import ROBOTS, example_wiring
from .parser import Parser


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'inspect',
        'Show what is in a policy bundle, a wiring file or a recording. What is shown has passed '
        'every check\nthat can be made without a robot.',
        (
            ('fournex inspect my_policy/', "the contract: each value's place, unit, scale"),
            ('fournex inspect wiring.yaml', 'topics, budgets, limits, reactions'),
            ('fournex inspect runs/today', 'topics, ticks, modes, episodes, lateness, ages'),
        ),
    )
    found.add_argument(
        'path',
        metavar='PATH',
        type=pathlib.Path,
        help='a bundle, a wiring file, a bag, or the name of an example robot',
    )
    found.add_argument(
        '--bundle',
        type=pathlib.Path,
        metavar='DIR',
        help='check a wiring file against this policy bundle instead',
    )
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    options = parser().parse(arguments)
    path: pathlib.Path = options.path
    if not path.exists() and str(path) in ROBOTS:
        path = example_wiring(str(path))
    print(_shown(path, options.bundle))
    return 0


def _shown(path: pathlib.Path, bundle: pathlib.Path | None) -> str:
    """Return the text for whatever lies at a path; imports only what that kind needs."""
    if not path.exists():
        raise FournexError(f'{path}: no such file or folder.' + _near(path))
    if path.name == CONTRACT_FILE:
        path = path.parent
    if path.is_dir():
        if (path / CONTRACT_FILE).is_file():
            from ..policy.bundle import load_bundle
            from .show_bundle import show_bundle

            return show_bundle(load_bundle(path))
        if (path / 'metadata.yaml').is_file() or any(path.glob('*.mcap')):
            return _bag(path)
        inside = [f'{path / name}' for name in ('wiring.yaml', 'bundle') if (path / name).exists()]
        hint = f' Did you mean {" or ".join(inside)}?' if inside else ''
        raise FournexError(
            f'{path}: neither a policy bundle (it has no {CONTRACT_FILE}) nor a recording (it has '
            f'no metadata.yaml and no .mcap file).{hint}'
        )
    if path.suffix == '.mcap':
        return _bag(path)
    if path.suffix in ('.yaml', '.yml'):
        from ..session.wiring import load_wiring
        from .show_wiring import show_wiring

        return show_wiring(load_wiring(path, bundle))
    raise FournexError(
        f'{path}: not something to inspect: expected a policy bundle or a bag (folders), a wiring '
        'file (.yaml) or a recording (.mcap)'
    )


def _bag(path: pathlib.Path) -> str:
    from .recorded_run import read_run
    from .show_bag import show_bag

    return show_bag(read_run(path))


def _near(path: pathlib.Path) -> str:
    """Return a hint at what the folder has instead."""
    if not path.parent.is_dir():
        return f' The folder {path.parent} does not exist either.'
    names = sorted(one.name for one in path.parent.iterdir() if not one.name.startswith('.'))
    close = nearest(path.name, names)
    return close if close.startswith(' Did') else ''
