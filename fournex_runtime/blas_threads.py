"""How many threads the BLAS libraries of this process use: numpy's, and what else is loaded."""

from __future__ import annotations

from collections.abc import Callable

from .errors import MissingDependencyError

Undo = Callable[[], None]


def limit_blas(threads: int) -> tuple[str, Undo]:
    """
    Let the loaded BLAS libraries use so many threads.

    :param threads: how many each may use.
    :returns: the libraries with version, in words, and what gives them back what they had.
    :raises MissingDependencyError: there is no ``threadpoolctl``, which knows them.
    :raises OSError: one goes on with another number of threads.
    """
    try:
        import threadpoolctl
    except ImportError as problem:
        raise MissingDependencyError(
            'threadpoolctl', 'limiting the threads of BLAS', 'pip install threadpoolctl'
        ) from problem
    limits = threadpoolctl.threadpool_limits(limits=threads, user_api='blas')
    loaded = threadpoolctl.ThreadpoolController().select(user_api='blas').info()
    names = [f'{one["internal_api"]} {one["version"] or "of unknown version"}' for one in loaded]
    other = [
        f'{name} uses {one["num_threads"]}'
        for name, one in zip(names, loaded)
        if one['num_threads'] != threads
    ]
    if other:
        limits.restore_original_limits()
        raise OSError(0, f'{", ".join(other)}, asked for {threads}')
    return ', '.join(names) or 'no BLAS is loaded', limits.restore_original_limits
