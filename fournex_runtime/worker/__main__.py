"""
``python <this folder>``: a worker's process, under whichever interpreter it is to run.

The package is taken from where this file lies, without its folder on the import path: what is
installed beside it (another numpy, say) belongs to another interpreter. Until that has been found
fit, nothing newer than Python 3.6 is used here.
"""

import importlib.util
import json
import os
import pathlib
import sys

_LEAST = (3, 10)


def _refusal(needed: dict) -> dict:  # type: ignore[type-arg]
    """Return why this interpreter cannot run a worker; empty when it can."""
    if sys.version_info < _LEAST or not hasattr(os, 'eventfd'):
        return {'version': '.'.join(map(str, sys.version_info[:3]))}
    missing = [needed[module] for module in needed if importlib.util.find_spec(module) is None]
    return {'missing': missing} if missing else {}


def _adopt_package() -> None:
    """Make ``fournex_runtime`` importable from where this file lies, and nothing else."""
    here = pathlib.Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if pathlib.Path(entry or '.').resolve() != here]
    name, folder = 'fournex_runtime', here.parent
    spec = importlib.util.spec_from_file_location(
        name, str(folder / '__init__.py'), submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)


def _cores_refusal(cores: list[int]) -> dict[str, str]:
    """Keep to some processor cores; return why that cannot be."""
    here = ', '.join(map(str, sorted(os.sched_getaffinity(0))))
    try:
        os.sched_setaffinity(0, cores or os.sched_getaffinity(0))
    except OSError as problem:
        asked = ', '.join(map(str, cores))
        return {'cores': f'{problem.strerror}: asked for {asked}, a worker may run on {here}'}
    return {}


def _main() -> None:
    configuration = json.loads(sys.stdin.buffer.read().decode('utf-8'))
    refusal = _refusal(configuration['packages'])
    if refusal:
        os.write(configuration['report'], json.dumps(refusal).encode('utf-8'))
        return
    _adopt_package()
    from fournex_runtime.worker.caps import end_with, take_caps

    end_with(configuration['parent'])
    refusal = _cores_refusal(configuration['cores'])
    if refusal:
        os.write(configuration['report'], json.dumps(refusal).encode('utf-8'))
        return
    caps = take_caps(
        configuration['scratch'],
        os.fstat(configuration['artifact']).st_size if configuration['writes'] else None,
        configuration['providers'] != ['cpu'],
        configuration['priority'],
        configuration['lock_memory'],
    )
    from fournex_runtime.worker.child import serve  # its libraries are held by the caps, too

    serve(configuration, caps)


if __name__ == '__main__':
    _main()
