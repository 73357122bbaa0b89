"""``fournex inspect``: what is in a policy bundle, a wiring file or a recording."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..configuration import nearest
from ..errors import FournexError, MissingDependencyError
from ..policy.bundle import CONTRACT_FILE, Bundle
from ..policy.contract_types import DATA_BACKENDS
from ..policy.inference import INLINE, Inference
from ..policy.registry import locate_bundle
from .examples import ROBOTS, example_wiring
from .parser import Parser

if TYPE_CHECKING:
    from ..session.wiring import Wiring

MISFIT = 1
"""Exit status: contract and artifact contradict each other."""


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'inspect',
        'Show what is in a policy bundle, a wiring file or a recording. A wiring that is shown '
        'has passed the\nchecks that can be made without a robot; of a bundle it says whether '
        'the artifact fits the contract\n(exit status 1 if not).',
        (
            ('fournex inspect my_policy/', "the contract: each value's place, unit, scale"),
            ('fournex inspect rover-nav@3', 'the same, of a policy in the registry'),
            ('fournex inspect wiring.yaml', 'topics, budgets, limits, reactions'),
            ('fournex inspect runs/today', 'topics, ticks, modes, episodes, lateness, ages'),
        ),
    )
    found.add_argument(
        'path',
        metavar='PATH',
        type=pathlib.Path,
        help='a bundle (its folder, or name@version of the registry), a wiring file, a bag, or '
        'the name of an example robot',
    )
    found.add_argument(
        '--bundle',
        type=pathlib.Path,
        metavar='BUNDLE',
        help='check a wiring file against this policy instead: a folder, or name@version',
    )
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    options = parser().parse(arguments)
    path: pathlib.Path = locate_bundle(options.path)
    if not path.exists() and str(path) in ROBOTS:
        path = example_wiring(str(path))
    text, fits = _shown(path, options.bundle)
    print(text)
    return 0 if fits else MISFIT


def _shown(path: pathlib.Path, bundle: pathlib.Path | None) -> tuple[str, bool]:
    """
    Return the text for whatever lies at a path, and whether what it consists of fits together.

    Imports only what that kind needs.
    """
    if not path.exists():
        raise FournexError(f'{path}: no such file or folder.' + _near(path))
    if path.name == CONTRACT_FILE:
        path = path.parent
    if path.is_dir():
        if (path / CONTRACT_FILE).is_file():
            return inspect_bundle(path)
        if (path / 'metadata.yaml').is_file() or any(path.glob('*.mcap')):
            return _bag(path), True
        inside = [f'{path / name}' for name in ('wiring.yaml', 'bundle') if (path / name).exists()]
        hint = f' Did you mean {" or ".join(inside)}?' if inside else ''
        raise FournexError(
            f'{path}: neither a policy bundle (it has no {CONTRACT_FILE}) nor a recording (it has '
            f'no metadata.yaml and no .mcap file).{hint}'
        )
    if path.suffix == '.mcap':
        return _bag(path), True
    if path.suffix in ('.yaml', '.yml'):
        from ..session.wiring import load_wiring
        from .show_wiring import show_wiring

        wiring = load_wiring(path, bundle)
        return show_wiring(wiring, _check(wiring)), True
    raise FournexError(
        f'{path}: not something to inspect: expected a policy bundle or a bag (folders), a wiring '
        'file (.yaml) or a recording (.mcap)'
    )


def inspect_bundle(folder: pathlib.Path) -> tuple[str, bool]:
    """
    Return what a bundle's contract and card say, and whether its artifact fits the contract.

    :returns: the text, and False where the two contradict each other.
    :raises FournexError: it is not a sound bundle.
    """
    from ..policy.bundle import load_bundle
    from .show_bundle import show_bundle

    found = load_bundle(folder)
    words, fits = _artifact(found)
    return show_bundle(found, words), fits


def _check(wiring: Wiring) -> dict[str, str]:
    """
    Do to a wiring what the runtime does before it asks the robot.

    :returns: by session, what computes its policy here; of programs nothing.
    :raises FournexError: a session's wiring, contract and artifact do not fit.
    """
    from ..pipeline.messages import messages
    from ..session.engine import Engine

    found = {}
    for session in wiring.sessions:
        bundle = wiring.bundles[session.name]
        Engine(bundle, session, messages())
        if bundle.contract.artifact.backend in DATA_BACKENDS:
            found[session.name] = _run_once(bundle, session.inference.inline())
    return found


def _artifact(bundle: Bundle) -> tuple[str, bool]:
    """Return how the artifact compares with the contract, in words; not of a program."""
    if bundle.contract.artifact.backend not in DATA_BACKENDS:
        return 'not compared with the artifact here: loading it runs a program', True
    try:
        _run_once(bundle, INLINE)
    except MissingDependencyError as problem:
        return f'not compared with the artifact: {problem}', True
    except FournexError as problem:
        return f'NOT THOSE OF THE ARTIFACT: {problem}', False
    return 'names, shapes and types are those of the artifact', True


def _run_once(bundle: Bundle, inference: Inference) -> str:
    """Load a policy and ask it; return what computes it."""
    from ..policy.backend import load_backend, warm_up

    backend = load_backend(bundle, inference)
    warm_up(backend, bundle.contract, runs=2)
    return backend.description


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
