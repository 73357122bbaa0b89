"""
The worker's process: loads one artifact, says so, and answers requests until it is killed.

It ends with the process that started it, by the kernel's hand, and heeds neither Ctrl-C nor
SIGTERM: a robot is brought to its stop by the session, which needs its policy until then.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import gc
import io
import json
import os
import platform
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import FournexError
from ..kernel import ask_lock
from ..policy.backend import ArraySpec, Backend, RunsInPlace, Signature
from ..policy.batch import greatest_size, run_apart
from ..policy.contract_types import RecurrentState
from ..policy.inference import Inference
from .caps import Cap, cap_memory
from .channel import ChannelHandles, ChannelLayout, WorkerSide


def serve(configuration: dict[str, Any], caps: list[Cap]) -> None:
    """
    Be a worker.

    :param configuration: as ``WorkerProcess`` wrote it.
    :param caps: what came of those that were taken before.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable(2)
    sys.stdout = sys.stderr = _Log(2)
    spec, state = read_spec(configuration)
    handles = ChannelHandles(*configuration['channel'])
    layout = ChannelLayout(spec, state, greatest_size(configuration['rows']))
    channel = WorkerSide(layout, handles)
    file = configuration['file']
    try:
        model, timing, memory = _load(configuration, spec, state, channel)
        in_place = _in_place(model, channel)
    except FournexError as problem:
        _report(configuration, {'error': str(problem)})
        return
    except Exception as problem:  # a library's own; it must reach the one who waits
        _report(configuration, {'error': f'{file}: {type(problem).__name__}: {problem}'})
        raise
    lock = dataclasses.astuple(ask_lock()) if configuration['lock_memory'] else None
    caps = [*caps, memory]
    _report(
        configuration,
        {
            'description': model.description,
            'provider': model.provider,
            'batch_size': model.batch_size,
            'threads': model.threads,
            'python': platform.python_version(),
            'numpy': np.__version__,
            'caps': [dataclasses.astuple(one) for one in caps],
            'lock': lock,
            **timing,
        },
    )
    gc.collect()
    gc.freeze()
    _answer(model, in_place, channel, handles, file)


def read_spec(configuration: dict[str, Any]) -> tuple[Signature, tuple[RecurrentState, ...]]:
    """Return what the artifact takes, gives and remembers."""
    sides = {
        side: tuple(ArraySpec(name, tuple(shape), dtype) for name, shape, dtype in arrays)
        for side, arrays in configuration['signature'].items()
    }
    state = tuple(
        RecurrentState(**{**one, 'shape': tuple(one['shape'])}) for one in configuration['state']
    )
    return Signature(**sides), state


def _load(
    configuration: dict[str, Any],
    spec: Signature,
    state: tuple[RecurrentState, ...],
    channel: WorkerSide,
) -> tuple[Backend, dict[str, int], Cap]:
    """Load the artifact and run it on zeros; return it, how long that took and its memory cap."""
    began_ns = time.monotonic_ns()
    kind = _kind(configuration['backend'])
    inference = Inference(
        tuple(configuration['providers']),
        configuration['threads'],
        deterministic=configuration['deterministic'],
        rows=configuration['rows'],
    )
    memory = cap_memory(configuration['memory'], inference.providers != ('cpu',))
    with os.fdopen(configuration['artifact'], 'rb') as stream:
        artifact = stream.read()
    file = configuration['file']
    model = kind(artifact, file, spec, state, inference)
    loaded_ns = time.monotonic_ns()
    for _ in range(max(1, configuration['warm_up'])):
        channel.answer([model.run(*channel.places[0])], file)
    done_ns = time.monotonic_ns()
    timing = {'load_ns': loaded_ns - began_ns, 'warm_up_ns': done_ns - loaded_ns}
    return model, timing, memory


def _kind(backend: str) -> Callable[..., Backend]:
    """Return what loads an artifact of a backend; its library loads here."""
    if backend == 'onnx':
        from ..policy.onnx_backend import OnnxModel

        return OnnxModel
    if backend == 'torchscript':
        from ..policy.torchscript_backend import TorchScriptModel

        return TorchScriptModel
    if backend == 'lerobot':
        from ..policy.lerobot_backend import LeRobotModel

        return LeRobotModel
    from ..policy.torch_export_backend import TorchExportModel

    return TorchExportModel


def _report(configuration: dict[str, Any], report: dict[str, Any]) -> None:
    """Tell the parent, once."""
    data = json.dumps(report).encode()
    while len(data) > select.PIPE_BUF:  # up to there, it arrives in one piece
        report = {'error': report['error'][: len(report['error']) // 2]}
        data = json.dumps(report).encode()
    os.write(configuration['report'], data)
    os.close(configuration['report'])


def _in_place(model: Backend, channel: WorkerSide) -> Callable[[], None] | None:
    """Return what answers the first row without copying its arrays; None if a model cannot."""
    if not isinstance(model, RunsInPlace):
        return None
    run = model.in_place(channel.places[0], channel.results[0])
    if run is not None:
        run()  # once, so that the first request is not the slow one
    return run


def _answer(
    model: Backend,
    in_place: Callable[[], None] | None,
    channel: WorkerSide,
    handles: ChannelHandles,
    file: str,
) -> None:
    asked = answered = 0
    waiting = select.poll()
    waiting.register(handles.request, select.POLLIN)
    while True:
        waiting.poll()
        asked += os.eventfd_read(handles.request)
        try:
            batch = channel.batch()
            if batch is not None:
                channel.answer(run_apart(model, batch), file)
            elif in_place is not None:
                in_place()
                channel.answered()
            else:
                channel.answer([model.run(*channel.places[0])], file)
        except FournexError as problem:
            channel.fail(str(problem))
        except Exception as problem:  # whatever it is, the session is told at once
            channel.fail(f'{file}: {type(problem).__name__}: {problem}')
        os.eventfd_write(handles.answer, asked - answered)
        answered = asked


class _Log(io.TextIOBase):
    """
    Standard output and error: a sealed memory of fixed size. What does not fit is lost.

    :param descriptor: where to write.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Write what fits, and never fail."""
        try:
            os.write(self._descriptor, text.encode('utf-8', 'backslashreplace'))
        except OSError:
            pass  # full
        return len(text)
