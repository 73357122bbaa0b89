"""
The worker's process: loads one artifact, says so, and answers requests until it is killed.

It ends with the process that started it, by the kernel's hand, and heeds neither Ctrl-C nor
SIGTERM: a robot is brought to its stop by the session, which needs its policy until then.
"""

from __future__ import annotations

import ctypes
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
from typing import Any

import numpy as np

from ..errors import FournexError
from ..policy.backend import ArraySpec, Backend, Signature
from ..policy.contract import RecurrentState
from ..policy.inference import Inference
from .channel import ChannelHandles, ChannelLayout, WorkerSide

_PR_SET_PDEATHSIG = 1


def serve(configuration: dict[str, Any]) -> None:
    """
    Be a worker.

    :param configuration: as ``WorkerProcess`` wrote it.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _end_with(configuration['parent'])
    if configuration['cores']:
        os.sched_setaffinity(0, configuration['cores'])
    faulthandler.enable(2)
    sys.stdout = sys.stderr = _Log(2)
    spec, state = read_spec(configuration)
    handles = ChannelHandles(*configuration['channel'])
    channel = WorkerSide(ChannelLayout(spec, state), handles)
    file = configuration['file']
    try:
        model, timing = _load(configuration, spec, state, channel)
    except FournexError as problem:
        _report(configuration, {'error': str(problem)})
        return
    except Exception as problem:  # a library's own; it must reach the one who waits
        _report(configuration, {'error': f'{file}: {type(problem).__name__}: {problem}'})
        raise
    _report(
        configuration,
        {
            'description': model.description,
            'provider': model.provider,
            'python': platform.python_version(),
            'numpy': np.__version__,
            **timing,
        },
    )
    gc.collect()
    gc.freeze()
    _answer(model, channel, handles, file)


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


def _end_with(parent: int) -> None:
    """Have the kernel kill this process when the one that started it is gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), 'prctl(PR_SET_PDEATHSIG)')
    if os.getppid() != parent:
        os._exit(0)


def _load(
    configuration: dict[str, Any],
    spec: Signature,
    state: tuple[RecurrentState, ...],
    channel: WorkerSide,
) -> tuple[Backend, dict[str, int]]:
    """Load the artifact and run it on zeros; return it and how long that took."""
    began_ns = time.monotonic_ns()
    with os.fdopen(configuration['artifact'], 'rb') as stream:
        artifact = stream.read()
    backend, file = configuration['backend'], configuration['file']
    inference = Inference(tuple(configuration['providers']), configuration['threads'])
    model: Backend
    if backend == 'onnx':
        from ..policy.onnx_backend import OnnxModel

        model = OnnxModel(artifact, file, spec, state, inference)
    elif backend == 'torchscript':
        from ..policy.torchscript_backend import TorchScriptModel

        model = TorchScriptModel(artifact, file, spec, state, inference)
    elif backend == 'lerobot':
        from ..policy.lerobot_backend import LeRobotModel

        model = LeRobotModel(artifact, file, spec, state, inference)
    else:
        from ..policy.torch_export_backend import TorchExportModel

        model = TorchExportModel(artifact, file, spec, state, inference)
    loaded_ns = time.monotonic_ns()
    for _ in range(max(1, configuration['warm_up'])):
        channel.answer(*model.run(channel.inputs, channel.state), file)
    done_ns = time.monotonic_ns()
    return model, {'load_ns': loaded_ns - began_ns, 'warm_up_ns': done_ns - loaded_ns}


def _report(configuration: dict[str, Any], report: dict[str, Any]) -> None:
    """Tell the parent, once."""
    data = json.dumps(report).encode()
    while len(data) > select.PIPE_BUF:  # up to there, it arrives in one piece
        report = {'error': report['error'][: len(report['error']) // 2]}
        data = json.dumps(report).encode()
    os.write(configuration['report'], data)
    os.close(configuration['report'])


def _answer(model: Backend, channel: WorkerSide, handles: ChannelHandles, file: str) -> None:
    asked = answered = 0
    while True:
        asked += os.eventfd_read(handles.request)
        try:
            channel.answer(*model.run(channel.inputs, channel.state), file)
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
