"""Safetensors files: arrays by name, and nothing that could run."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ..errors import BundleError, MissingDependencyError

_MOST_HEADER_BYTES = 1 << 20

Tensors = Mapping[str, NDArray[Any]]


def read_tensors(file: pathlib.Path, data: bytes, purpose: str) -> Tensors:
    """
    Return the arrays of a file.

    :param file: where the bytes come from, for errors.
    :param data: its bytes.
    :param purpose: what they are read for, for the error where the library is missing.
    :raises BundleError: it is no whole safetensors file.
    """
    library, error = _library(purpose)
    said = int.from_bytes(data[:8], 'little')
    if len(data) < 8 or said > min(len(data) - 8, _MOST_HEADER_BYTES):
        raise BundleError(
            f'{file}: not a readable safetensors file: expected a header of at most '
            f'{_MOST_HEADER_BYTES} bytes, in the file, found one of {said} bytes in a file of '
            f'{len(data)}'
        )
    try:
        found: Tensors = library.load(data)
    except (error, ValueError, KeyError, TypeError) as problem:
        raise BundleError(f'{file}: not a readable safetensors file: {problem}') from problem
    return found


def write_tensors(arrays: Tensors, purpose: str) -> bytes:
    """Return arrays as the bytes of a file; for ``purpose`` see :func:`read_tensors`."""
    library, _ = _library(purpose)
    data: bytes = library.save(dict(arrays))
    return data


def _library(purpose: str) -> tuple[Any, type[Exception]]:
    """Import the library: only bundles with such a file need it."""
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as problem:
        raise MissingDependencyError(
            'safetensors', purpose, 'pip install safetensors'
        ) from problem
    return safetensors.numpy, safetensors.SafetensorError
