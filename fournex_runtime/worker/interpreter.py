"""
Under which Python a worker runs, with which environment variables, and what it needs there.

A worker takes the package ``fournex_runtime`` from where this process has it, and everything else
from its own interpreter: Python 3.10 or later with ``numpy``, ``PyYAML`` and the library of its
backend. ROS 2 is not needed there.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import sys
from collections.abc import Mapping

from ..errors import ConfigurationError, MissingDependencyError

TORCH_PYTHON = 'FOURNEX_TORCH_PYTHON'
"""Environment variable that names the Python for policies that need torch."""

LIBRARIES = {
    'onnx': 'onnxruntime',
    'torchscript': 'torch',
    'torch_export': 'torch',
    'lerobot': 'lerobot',
}
"""The library that each backend needs."""

_WITH_TORCH = ('torch', 'lerobot')
"""Libraries that are looked for where torch is."""

_COMMON = {'numpy': 'numpy', 'yaml': 'pyyaml'}
_OF_THIS_ENVIRONMENT = (
    'AMENT_PREFIX_PATH',
    'LD_LIBRARY_PATH',
    'LD_PRELOAD',
    'PYTHONHOME',
    'PYTHONPATH',
    'VIRTUAL_ENV',
    '_ROS_WHEELS_BOOTSTRAP_COMPLETE',
)
_THREADS = (
    'MKL_NUM_THREADS',
    'NUMEXPR_NUM_THREADS',
    'OMP_NUM_THREADS',
    'OPENBLAS_NUM_THREADS',
    'VECLIB_MAXIMUM_THREADS',
)


def packages(backend: str) -> dict[str, str]:
    """Return what a backend needs: for each module, the name that installs it."""
    library = LIBRARIES[backend]
    return {**_COMMON, library: library}


def install_command(python: pathlib.Path, backend: str) -> str:
    """Return the command that installs what a backend needs."""
    return f'{python} -m pip install {" ".join(packages(backend).values())}'


def find_interpreter(backend: str, python: pathlib.Path | None, file: str) -> pathlib.Path:
    """
    Return the Python that runs a backend's workers.

    :param backend: as in the contract.
    :param python: the Python that was asked for; None for the default: this one, and for what
        needs torch or lerobot first the one in ``FOURNEX_TORCH_PYTHON``.
    :param file: the artifact, for errors.
    :raises ConfigurationError: there is no such program.
    :raises MissingDependencyError: no Python that has the library is known.
    """
    asked = 'python' if python is not None else TORCH_PYTHON
    library = LIBRARIES[backend]
    if python is None and library in _WITH_TORCH:
        named = os.environ.get(TORCH_PYTHON)
        python = pathlib.Path(named) if named else None
        if python is None and importlib.util.find_spec(library) is None:
            raise MissingDependencyError(
                library,
                f'running {file} (backend {backend})',
                f'{sys.executable} -m pip install {library}, or set {TORCH_PYTHON} to a Python '
                'that has it (in a checkout, after make test: .venv-torch/bin/python)',
            )
    if python is None:
        return pathlib.Path(sys.executable)
    found = pathlib.Path(os.path.abspath(python.expanduser()))
    if not found.is_file() or not os.access(found, os.X_OK):
        raise ConfigurationError(f'{asked}: {found} is not a program that can be run')
    return found


def environment(python: pathlib.Path, threads: int) -> dict[str, str]:
    """
    Return the environment variables of a worker.

    Another interpreter must not see the libraries and modules of this one: a process of one
    ROS 2 that inherits the paths of another loads the wrong libraries.

    :param python: the worker's.
    :param threads: how many threads its libraries may use.
    """
    inherited: Mapping[str, str] = os.environ
    if os.path.abspath(python) != os.path.abspath(sys.executable):
        inherited = {
            name: value for name, value in inherited.items() if name not in _OF_THIS_ENVIRONMENT
        }
    return {**inherited, **dict.fromkeys(_THREADS, str(threads)), 'PYTHONUNBUFFERED': '1'}
