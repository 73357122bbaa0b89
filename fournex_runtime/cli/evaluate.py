"""``fournex evaluate``: how often a policy succeeds at a simulated robot's task."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import time
from collections.abc import Sequence

from ..configuration import nearest
from ..errors import ConfigurationError
from ..pipeline.messages import messages
from ..policy.backend import Backend, load_backend, warm_up
from ..policy.bundle import Bundle
from ..session.engine import Engine
from ..session.wiring import SessionWiring, Wiring, load_wiring
from ..sim.evaluation import EpisodeResult, Evaluation, TickObserver
from ..sim.evaluation_recording import EvaluationRecording
from ..sim.registry import make_robot
from ..sim.scores import Scores, Spread, score
from .examples import ROBOTS, example_wiring
from .parser import Parser, share, whole_number
from .progress import Progress
from .table import facts, number, table

FAILED = 1
_SHOWN_SEEDS = 10

ANSWER_TIMEOUT_S = 10.0
"""How long a policy in a worker may take; simulated time waits for it."""


def parser() -> Parser:
    """Return the parser of this verb."""
    found = Parser(
        'evaluate',
        "Count how often a policy succeeds at a simulated robot's task: seeded episodes, in this "
        'process,\nthrough the same ticks as on the robot. Needs no ROS.',
        (
            ('fournex evaluate rover', '100 random rooms'),
            ('fournex evaluate arm --bundle my_policy/', 'your policy on the example robot'),
            ('fournex evaluate rover --delay 1', 'each command one control period late'),
            ('fournex evaluate wiring.yaml --require 0.95', 'exit status 1 below 95 %'),
        ),
    )
    found.add_argument(
        'robot', metavar='ROBOT|WIRING', help=f'{", ".join(ROBOTS)}, or a wiring file for one'
    )
    found.add_argument(
        '--bundle',
        type=pathlib.Path,
        metavar='BUNDLE',
        help='judge this policy instead: a folder, or name@version of the registry',
    )
    found.add_argument(
        '--session', metavar='NAME', help='which session of a wiring that has several'
    )
    found.add_argument(
        '--episodes', type=whole_number(1), default=100, metavar='N', help='how many (100)'
    )
    found.add_argument(
        '--seed',
        type=whole_number(0),
        default=10_000,
        metavar='N',
        help='of the first episode; the next have the next (10000)',
    )
    found.add_argument(
        '--goals',
        type=whole_number(0),
        default=0,
        metavar='N',
        help="goals or targets an episode, for robots that have them (the robot's own)",
    )
    found.add_argument(
        '--delay',
        type=whole_number(0),
        default=0,
        metavar='N',
        help='control periods until a command reaches the robot (0)',
    )
    found.add_argument(
        '--require',
        type=share,
        metavar='SHARE',
        help='least success rate; below it the exit status is 1',
    )
    found.add_argument(
        '--record',
        type=pathlib.Path,
        metavar='DIR',
        help='record every tick into this new bag, for fournex replay',
    )
    found.add_argument('--json', action='store_true', help='print the figures as JSON')
    return found


def main(arguments: Sequence[str]) -> int:
    """
    Run the verb.

    :param arguments: what follows it on the command line.
    """
    options = parser().parse(arguments)
    file = _wiring_file(options.robot)
    wiring = load_wiring(file, options.bundle)
    session = _session(wiring, options.session)
    bundle = wiring.bundles[session.name]
    engine = Engine(bundle, session, messages())
    robot = make_robot(wiring.robot, options.goals)
    begun = time.perf_counter()
    with contextlib.ExitStack() as resources:
        backend = _load(bundle, session, resources)
        seconds = {
            one.bundle.contract.reference: _load(one.bundle, one.wiring, resources)
            for one in session.fallbacks
        }
        on_tick: TickObserver | None = None
        if options.record is not None:
            recording = EvaluationRecording(
                options.record, wiring, [engine], [backend.description], messages()
            )
            recording.start()
            resources.callback(recording.close)
            on_tick = recording.on_tick
        evaluation = Evaluation(
            robot, engine, backend, messages(), options.delay, on_tick, seconds
        )
        scores = _run(evaluation, options.seed, options.episodes, wiring.robot)
    wall_s = time.perf_counter() - begun
    if options.json:
        print(_json(wiring, bundle, scores, options.seed, options.delay, wall_s))
    else:
        print(_report(wiring, bundle, scores, options.seed, options.delay, wall_s))
    if options.require is not None and scores.success_rate < options.require:
        if not options.json:
            print(f'\nFAILED: {scores.success_rate:.1%} succeeded, required {options.require:.1%}')
        return FAILED
    return 0


def _load(bundle: Bundle, session: SessionWiring, resources: contextlib.ExitStack) -> Backend:
    backend = load_backend(bundle, session.inference.inline(), ANSWER_TIMEOUT_S)
    resources.callback(backend.close)
    warm_up(backend, bundle.contract)
    return backend


def _run(evaluation: Evaluation, seed: int, episodes: int, robot: str) -> Scores:
    progress = Progress(robot)
    results: list[EpisodeResult] = []
    try:
        for index in range(episodes):
            results.append(evaluation.run(seed + index))
            successes = sum(result.outcome.success for result in results)
            progress.update(index + 1, episodes, f'{successes} succeeded')
    finally:
        progress.clear()
    return score(results)


def _wiring_file(argument: str) -> pathlib.Path:
    if argument in ROBOTS:
        return example_wiring(argument)
    file = pathlib.Path(argument)
    if not file.exists() and file.suffix not in ('.yaml', '.yml'):
        raise ConfigurationError(
            f'{argument!r} is neither an example robot nor a wiring file.'
            + nearest(argument, ROBOTS)
        )
    return file


def _session(wiring: Wiring, name: str | None) -> SessionWiring:
    by_name = {session.name: session for session in wiring.sessions}
    if name is None:
        if len(by_name) > 1:
            raise ConfigurationError(
                f'{wiring.file} has {len(by_name)} sessions; choose one: --session '
                f'{" or ".join(by_name)}'
            )
        return wiring.sessions[0]
    if name not in by_name:
        raise ConfigurationError(
            f'{wiring.file}: has no session {name!r}.{nearest(name, list(by_name))}'
        )
    return by_name[name]


def _report(
    wiring: Wiring, bundle: Bundle, scores: Scores, seed: int, delay: int, wall_s: float
) -> str:
    contract = bundle.contract
    low, high = scores.interval
    last = seed + scores.episodes - 1
    failed = ', '.join(map(str, scores.failed[:_SHOWN_SEEDS]))
    if len(scores.failed) > _SHOWN_SEEDS:
        failed += f' and {len(scores.failed) - _SHOWN_SEEDS} more'
    lines = facts(
        (
            ('policy', f'{contract.reference}  {bundle.sha256[:12]}  {contract.description}'),
            (
                'robot',
                f'{wiring.robot} (simulated), {1e9 / contract.period_ns:g} Hz'
                + (f', commands {delay} control periods late' if delay else ''),
            ),
            ('episodes', f'{scores.episodes}, seeds {seed} to {last}'),
            (
                'success',
                f'{scores.successes} of {scores.episodes} = {scores.success_rate:.1%}   '
                f'(95 % interval {low:.1%} to {high:.1%}, Wilson)',
            ),
            ('failed', f'seeds {failed}' if failed else ''),
            (
                'faults',
                f'{scores.faults} of {scores.ticks} ticks'
                + (f'; first: {scores.first_fault}' if scores.first_fault else ''),
            ),
            (
                'speed',
                f'{scores.simulated_s:.0f} s simulated in {wall_s:.1f} s: '
                f'{scores.simulated_s / wall_s:.0f} times real time',
            ),
        )
    )
    figures = {'return': scores.total, **scores.detail}
    rows = [
        (name, number(spread.mean), number(spread.p5), number(spread.p95))
        for name, spread in figures.items()
    ]
    return f'{lines}\n\n' + table(('per episode', 'mean', 'p5', 'p95'), rows, '')


def _json(
    wiring: Wiring, bundle: Bundle, scores: Scores, seed: int, delay: int, wall_s: float
) -> str:
    def plain(spread: Spread) -> dict[str, float]:
        return dataclasses.asdict(spread)

    return json.dumps(
        {
            'robot': wiring.robot,
            'policy': bundle.contract.reference,
            'bundle_sha256': bundle.sha256,
            'first_seed': seed,
            'delay_periods': delay,
            'episodes': scores.episodes,
            'successes': scores.successes,
            'success_rate': scores.success_rate,
            'success_interval_95': list(scores.interval),
            'failed_seeds': list(scores.failed),
            'return': plain(scores.total),
            'detail': {name: plain(spread) for name, spread in scores.detail.items()},
            'ticks': scores.ticks,
            'faults': scores.faults,
            'first_fault': scores.first_fault,
            'simulated_s': scores.simulated_s,
            'wall_s': wall_s,
        },
        indent=2,
    )
