"""
A worker that misbehaves when the observation tells it to.

Stands in the place of a worker's Python: ``faulty_worker.py FOLDER`` runs the worker in a folder
as it is, with all its caps, but for the artifact, which is asked through `Faulty`.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pathlib
import signal
import sys
import time

ORDER = 2
"""Which value of the observation is the order: 0, or the place of a fault in `FAULTS`."""


def _kill(outputs):
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(outputs):
    os.kill(os.getpid(), signal.SIGSTOP)


def _exit(outputs):
    os._exit(3)


def _segfault(outputs):
    ctypes.string_at(1)


def _memory(outputs):
    bytearray(1 << 40)


def _fork(outputs):
    """Fork once, which is denied: of what this would become when it is not, one is enough."""
    if os.fork() == 0:
        os._exit(0)


def _endless(outputs):
    while True:
        pass


def _sleep(outputs):
    time.sleep(0.3)


def _shape(outputs):
    return {'action': outputs['action'].repeat(3, axis=1)}


def _filled(value):
    def answer(outputs):
        return {'action': outputs['action'] * 0 + value}

    return answer


def _flood(outputs):
    for _ in range(64):
        try:
            os.write(1, b'flood ' * 10_000)
        except OSError:
            pass  # full


FAULTS = {
    'killed': _kill,
    'stopped': _stop,
    'exits': _exit,
    'segfault': _segfault,
    'memory': _memory,
    'forks': _fork,
    'endless': _endless,
    'sleeps': _sleep,
    'shape': _shape,
    'nan': _filled(float('nan')),
    'infinite': _filled(float('inf')),
    'huge': _filled(3e38),
    'flood': _flood,
}


class Faulty:
    """An artifact as it is, but for the requests that order a fault."""

    def __init__(self, model) -> None:
        self._model = model

    def __getattr__(self, name):
        return getattr(self._model, name)

    def in_place(self, takes, gives):
        """Return None: each request is looked at."""
        return

    def run(self, inputs, state):
        """Answer, or do as ordered."""
        outputs, following = self._model.run(inputs, state)
        order = int(inputs['obs'][0, ORDER])
        if order:
            outputs = list(FAULTS.values())[order - 1](outputs) or outputs
        return outputs, following


def interpreter(folder: pathlib.Path) -> pathlib.Path:
    """Write a program that runs as a worker's Python, and return it."""
    program = folder / 'faulty-python'
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {os.path.abspath(__file__)} "$@"\n')
    program.chmod(0o755)
    return program


def _main() -> None:
    program = pathlib.Path(sys.argv[1]) / '__main__.py'
    spec = importlib.util.spec_from_file_location('worker_program', program)
    worker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(worker)
    adopt = worker._adopt_package

    def adopt_and_spoil():
        adopt()
        from fournex_runtime.worker import child

        kind = child._kind
        child._kind = lambda backend: lambda *given: Faulty(kind(backend)(*given))

    worker._adopt_package = adopt_and_spoil
    worker._main()


if __name__ == '__main__':
    _main()
