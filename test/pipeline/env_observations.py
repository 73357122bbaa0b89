"""Run an example's training environment and print its observations beside the pipeline's."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pathlib
import sys
from typing import Any

import numpy as np

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.observation import LastAction, ObservationPipeline
from fournex_runtime.policy.bundle import Bundle
from fournex_runtime.policy.contract import load_contract
from fournex_runtime.session.wiring import parse_wiring

STEPS = 200


def load_env(folder: pathlib.Path) -> Any:
    """Return the example's environment without its disturbances."""
    module = importlib.import_module(f'examples.{folder.name}.env')
    if folder.name == 'rover':
        return module.RoverEnv(goals=3, disturbance=module.Disturbance())
    name = f'{folder.name.title()}Env'
    return getattr(module, name)(delay_steps=0, stale=False)


def main(folder: pathlib.Path) -> None:
    env = load_env(folder)
    file = folder / 'wiring.yaml'
    contract = dataclasses.replace(
        load_contract(folder / 'bundle' / 'policy.yaml'), normalisation=()
    )
    bundle = Bundle(folder / 'bundle', contract, '', b'')
    wiring = parse_wiring(file.read_text(), file, {folder.name: bundle}).sessions[0]
    pipeline = ObservationPipeline(contract, wiring.sources, wiring.ports, messages(), {})
    read = {port.source for port in wiring.ports}
    rng = np.random.default_rng(5)
    low, high = contract.action_terms[0].clip
    action, steps, differences = np.zeros(contract.action_size), 0, []
    observed, _ = env.reset(seed=1)
    while steps < STEPS:
        newest = []
        for index, source in enumerate(wiring.sources):
            message = None
            if index in read:
                data = messages().encode(env.robot.sense(source.topic, 7), source.type)
                message = messages().decode(data, source.type)
            newest.append(message)
        made = pipeline.build(newest, LastAction(action, action), {}).inputs['obs'][0]
        if made.tobytes() != observed.tobytes():
            first = int(np.flatnonzero(made != observed)[0])
            differences.append((steps, first, float(made[first]), float(observed[first])))
        raw = rng.uniform(-1.5, 1.5, contract.action_size).astype(np.float32)
        action = np.clip(raw.astype(np.float64), low, high)
        observed, _, failed, cut, _ = env.step(raw)
        steps += 1
        if failed or cut:
            action = np.zeros(contract.action_size)
            observed, _ = env.reset(seed=steps)
    print(json.dumps({'steps': steps, 'differences': differences}))


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]).resolve())
