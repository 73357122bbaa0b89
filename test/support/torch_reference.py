"""
The side that has torch: exports policies as their libraries do, and compares the answers.

Of the library itself, and of a session with the artifact, from the sensor message to the command.
Run by a Python with torch, with ``test/support`` on its path: ``torch_reference.py FILE`` writes
the results as JSON.
"""

from __future__ import annotations

import json
import pathlib
import sys
import tempfile
import warnings
import zlib

import numpy as np
import rsl_rl_models
import sb3_contrib
import stable_baselines3
import torch
from ros_messages import ARRAY, cdr
from safetensors.numpy import save_file
from torch import nn
from torch_cases import CASES, EPISODE_STARTS, FILES, OBSERVATIONS, POLICIES, Case
from torch_policies import Made, Normalised, OnnxableSB3Policy, make

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import Backend, load_backend, signature
from fournex_runtime.policy.bundle import Bundle, seal_bundle
from fournex_runtime.policy.torch_export_backend import TorchExportModel
from fournex_runtime.policy.torchscript_backend import TorchScriptModel
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import Answer, AnswerKind, EpisodeStart, Received, TickInputs
from fournex_runtime.session.wiring import parse_wiring

ZEROS = '0' * 64
WIRING = """
robot: none
sessions:
  policy:
    policy: bundle
    inputs:
      seen: {{topic: seen, type: {seen}, budget: forever}}
    outputs:
      act: {{topic: act, type: {act}, stop: zero}}
    limits:
      act:
        all: {{min: -1000, max: 1000, rate: unlimited}}
    reactions:
      default: stop
"""


# --- export --------------------------------------------------------------------------------------


class First(nn.Module):
    """The first of several results."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return self.inner(obs)[0]


def export(made: Made, backend: str, file: pathlib.Path) -> None:
    """Write an artifact as its library does."""
    seen = torch.as_tensor(made.seen[:1])
    if seen.ndim == 4:
        seen = seen.permute(0, 3, 1, 2).contiguous()
    module = made.exported.eval().requires_grad_(False)
    arguments = (seen, *(torch.zeros(shape) for shape in made.state.values()))
    if backend == 'onnx':
        names = [f'{name}_in' for name in made.state], [f'{name}_out' for name in made.state]
        more = ['values', 'log_prob'] if gives_more(module) else []
        torch.onnx.export(
            module,
            arguments,
            str(file),
            opset_version=17,
            input_names=['obs', *names[0]],
            output_names=['actions', *more, *names[1]],
            dynamo=False,
        )
        return
    if gives_more(module):
        module = First(module)
    if made.in_buffers is not None:
        module, arguments = made.in_buffers, (seen,)
    if backend == 'torch_export':
        torch.export.save(torch.export.export(module.eval(), arguments), file)
    elif made.scripted is not None:
        torch.jit.script(module.eval().requires_grad_(False)).save(str(file))
    else:
        torch.jit.trace(module, arguments).save(str(file))


def gives_more(module: nn.Module) -> bool:
    """Return whether a module gives values and log_prob, too."""
    inner = module.inner if isinstance(module, Normalised) else module
    return isinstance(inner, OnnxableSB3Policy)


def bundle(made: Made, backend: str, folder: pathlib.Path) -> Bundle:
    """Return a bundle with the artifact."""
    file = FILES[backend]
    export(made, backend, folder / file)
    text = 'name: compared\nversion: 1\nperiod: 20 ms\n' + made.contract
    if made.normaliser is not None:
        statistics = made.normaliser.obs_rms
        arrays = {'mean': statistics.mean, 'var': statistics.var}
        save_file({key: np.asarray(one) for key, one in arrays.items()}, folder / 'stats')
        text += (
            f'normalisation: {{kind: mean_std, file: stats, sha256: {ZEROS!r}, '
            f'clip: {made.normaliser.clip_obs}, epsilon: {made.normaliser.epsilon}}}\n'
        )
    if made.state:
        text += 'state:\n'
    kept = made.in_buffers is not None and backend != 'onnx'
    for name, shape in made.state.items():
        buffer = {'h': 'hidden_state', 'c': 'cell_state'}[name]
        where = f'buffer: {buffer}' if kept else f'input: {name}_in, output: {name}_out'
        text += f'  {name}: {{shape: {list(shape)}, {where}, initial: zeros, reset: episode}}\n'
    text += f'artifact: {{file: {file}, sha256: {ZEROS!r}, backend: {backend}}}\n'
    (folder / 'policy.yaml').write_text(text)
    return seal_bundle(folder)


def load(found: Bundle) -> Backend:
    """Return the backend, in this process: it is one that a worker would run under."""
    kinds = {'torchscript': TorchScriptModel, 'torch_export': TorchExportModel}
    contract = found.contract
    if contract.artifact.backend not in kinds:
        return load_backend(found)
    kind, file = kinds[contract.artifact.backend], str(found.folder / contract.artifact.file)
    return kind(found.artifact, file, signature(contract), contract.state)


# --- comparing -----------------------------------------------------------------------------------


def message(seen: np.ndarray) -> bytes:
    """Return an observation as a sensor sends it."""
    if seen.ndim == 1:
        return cdr(ARRAY, data=seen.astype(np.float64))
    height, width, _ = seen.shape
    return cdr(
        'sensor_msgs/msg/Image',
        height=height,
        width=width,
        encoding='rgb8',
        step=3 * width,
        data=seen.reshape(-1),
    )


def compare(case: Case, made: Made, expected: list, starts: np.ndarray) -> dict:
    """Drive a session with the artifact through all observations."""
    with tempfile.TemporaryDirectory() as name:
        found = bundle(made, case.backend, pathlib.Path(name))
        backend = load(found)
        types = {
            'seen': 'sensor_msgs/msg/Image' if made.seen.ndim == 4 else ARRAY,
            'act': 'geometry_msgs/msg/Twist' if 'discrete' in made.contract else ARRAY,
        }
        text = WIRING.format(**types)
        wiring = parse_wiring(text, pathlib.Path('wiring.yaml'), {'policy': found})
        engine = Engine(found, wiring.sessions[0], messages())
        state, worst, apart, equal = engine.initial_state(), 0.0, 0.0, True
        low, high, largest, changed = np.inf, -np.inf, 0.0, 0
        for index, (seen, (action, raw, after)) in enumerate(zip(made.seen, expected)):
            now_ns = 1_000_000_000 + 20_000_000 * index
            inputs = TickInputs(
                ((Received(index + 1, now_ns, message(seen)),),),
                now_ns,
                now_ns,
                now_ns,
                EpisodeStart(f'{index}', 0) if starts[index] else None,
            )
            request = engine.observe(inputs, state)
            outputs, following = backend.run(request.observation.inputs, request.recurrent)
            answer = Answer(AnswerKind.RESULT, outputs, following)
            record, state = engine.conclude(request, answer, state)
            commanded = record.safe_action['act']
            assert commanded.size == action.size and not record.cause
            worst = max(worst, float(np.abs(commanded - action).max()))
            low, high = min(low, action.min()), max(high, action.max())
            given = outputs['actions'].reshape(-1)
            changed += bool((raw != action).any())
            equal = equal and given.tobytes() == raw.tobytes()
            for one, theirs in zip(following.values(), after, strict=True):
                apart = max(apart, float(np.abs(one - theirs).max()))
                largest = max(largest, float(np.abs(theirs).max()))
                equal = equal and one.tobytes() == theirs.tobytes()
        return {
            'observations': len(made.seen),
            'episodes': int(starts.sum()),
            'reach': float(high - low),
            'difference': worst,
            'state_difference': apart,
            'state_reach': largest,
            'changed': changed,
            'bit_equal': equal,
            'writer': writer(case),
            'runner': backend.description,
        }


def writer(case: Case) -> str:
    """Return what the policy comes from, with its version."""
    if case.policy.library == 'rsl_rl':
        return f'rsl_rl {rsl_rl_models.VERSION}'.strip()
    modules = {'Stable-Baselines3': stable_baselines3, 'sb3-contrib': sb3_contrib}
    return f'{case.policy.library} {modules[case.policy.library].__version__}'


def main() -> None:
    """Measure every case."""
    torch.set_num_threads(1)
    warnings.simplefilter('ignore')
    torch.distributions.Distribution.set_default_validate_args(False)
    results = {}
    names = sys.argv[2:]
    for policy in POLICIES:
        if names and policy.name not in names:
            continue
        torch.manual_seed(zlib.crc32(policy.name.encode()))
        made = make(policy)
        starts = np.random.default_rng(4).random(OBSERVATIONS) < EPISODE_STARTS
        starts[0] = True
        expected = [made.answer(seen, bool(start)) for seen, start in zip(made.seen, starts)]
        for case in CASES:
            if case.policy is policy:
                results[case.name] = compare(case, made, expected, starts)
                print(case.name, results[case.name], flush=True)
    pathlib.Path(sys.argv[1]).write_text(json.dumps(results))


if __name__ == '__main__':
    main()
