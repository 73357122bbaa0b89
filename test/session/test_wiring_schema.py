"""The schema that editors complete and check a wiring by, and the reader, are of one mind."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
from json_schema import problems, tree_of
from tiny_session import WIRING, edited, make_bundle

from fournex_runtime.configuration import Section
from fournex_runtime.errors import WiringError
from fournex_runtime.session.wiring import load_wiring, parse_wiring
from fournex_runtime.session.wiring_schema import schema_text, wiring_schema

SCHEMA = wiring_schema()
WHOLE = edited(
    WIRING,
    (
        'robot: tiny',
        """\
robot: tiny
realtime: {cores: [0, 1], priority: 50, worker_priority: 0, lock_memory: true, spin: 150 us,
  garbage_collector: between_ticks, on_refusal: refuse, on_overload: report}
record: {mode: ring, compression: lz4, chunk: 64 KiB, keep: 30 s, after: 5 s, memory: 1.5 GiB,
  disk: 20 GB}""",
    ),
    ('policy: bundle', 'policy: tiny@1\n    joint_names: {a: left, b: right}'),
    (
        'budget: 50 ms}',
        'budget: 50 ms, fields: {a: "q[0]", b: "q[1]"}, unit: {a: deg, b: 1},\n'
        '        qos: {reliability: best_effort, durability: volatile, depth: 1}}',
    ),
    (
        '        stop: zero',
        '        stop: {a: 0.0, b: 0}\n        unit: rpm\n        consumer_timeout: 200 ms',
    ),
    (
        'rate: unlimited}',
        'acceleration: 3, velocity: 1.0}\n        a: {min: -1, max: 1.25, rate: 20}',
    ),
    (
        'default: stop',
        'default: hold 40 ms then policy calm for 1 s then ramp 1 s to slow then stop\n'
        '      late_answer: use in the next tick\n      return: {after: 200 ms}',
    ),
    (
        '    reward: {topic: reward, type: std_msgs/msg/Float64}',
        """\
    reward: {topic: reward, type: std_msgs/msg/Float64, field: data}
    fallback:
      calm: {policy: other, inputs: {}, inference: {isolation: inline}}
    poses: {slow: {joint_velocity_target: {a: 0.1, b: 0.2}}}
    command_timeout: 500 ms
    soft_start: 2 s
    pacing: {phase: joint_states, after: 2 ms}
    frames: {budget: 200 ms, tf: tf, tf_static: tf_static}
    overrides:
      joystick: {topic: joy_commands, commands: commands, priority: 1, timeout: 500 ms}
    stop_topics:
      button: {topic: stop, type: std_msgs/msg/Empty, timeout: forever}
    inference: {providers: [cuda, cpu], threads: 2, isolation: process, cores: 1, memory: 512,
      budget: 15 ms, spare: true, batch: false, deterministic: false}""",
    ),
)
BUNDLES = {'tiny': make_bundle(), 'tiny/0': make_bundle()}


def test_the_schema_in_the_repository_is_up_to_date(checkout):
    written = (checkout / 'config/wiring.schema.json').read_text(encoding='utf-8')
    assert written == schema_text(), (
        'python -m fournex_runtime.session.wiring_schema > config/wiring.schema.json'
    )
    assert json.loads(written) == SCHEMA


def test_what_the_reader_takes_the_schema_takes(checkout):
    page = (checkout / 'docs/wiring.md').read_text()
    shipped = sorted(checkout.glob('examples/*/wiring*.yaml'))
    assert len(shipped) >= 4
    texts = [file.read_text() for file in shipped]
    texts += [WIRING, WHOLE, re.findall(r'```yaml\n(.*?)```', page, re.DOTALL)[0]]
    for text in texts:
        assert problems(tree_of(text), SCHEMA) == []


def test_every_key_that_the_reader_asks_for_is_in_the_schema(checkout, monkeypatch):
    asked = set()
    finish = Section.finish

    def finished(section):
        if section.error is WiringError:  # and not the contract's
            asked.update((section.path, key) for key in section._asked)
        finish(section)

    monkeypatch.setattr(Section, 'finish', finished)
    parse_wiring(WHOLE, pathlib.Path('wiring.yaml'), BUNDLES)
    parse_wiring(
        edited(WIRING, ('robot: tiny', 'robot: tiny\nrecord: {mode: continuous}')),
        pathlib.Path('wiring.yaml'),
        BUNDLES,
    )
    for file in sorted(checkout.glob('examples/*/wiring*.yaml')):
        load_wiring(file)
    assert len(asked) > 100
    for path, key in sorted(asked):
        found = [SCHEMA]
        for part in (*path.split('.'), key) if path else (key,):
            found = [inner for one in found for inner in within(one, part)]
        assert found, f'{path}.{key}'


def within(schema, key):
    """Return the schemas of what a key of a mapping may hold."""
    if '$ref' in schema:
        schema = SCHEMA['$defs'][schema['$ref'].removeprefix('#/$defs/')]
    found = [inner for one in schema.get('anyOf', ()) for inner in within(one, key)]
    if key in schema.get('properties', {}):
        found.append(schema['properties'][key])
    elif isinstance(schema.get('additionalProperties'), dict):
        found.append(schema['additionalProperties'])
    return found


@pytest.mark.parametrize(
    'change',
    [
        ('robot: tiny', 'robto: tiny'),
        ('sessions:\n  tiny:', 'sessions:\n  tiny: {}\n  other:'),
        ('budget: 50 ms', 'budget: 50'),
        ('topic: joint_states, ', ''),
        ('type: sensor_msgs', 'tpye: sensor_msgs'),
        ('reliability: best_effort', 'reliability: best'),
        ('worker_priority: 0', 'worker_priority: 100'),
        ('on_refusal: refuse', 'on_refusal: ask'),
        ('mode: ring', 'mode: rings'),
        ('memory: 1.5 GiB', 'memory: 1.5 KB'),
        ('default: hold', 'default: holds'),
        ('late_answer: use in the next tick', 'late_answer: use'),
        ('rate: 20', 'rate: fast'),
        ('acceleration: 3', 'accelleration: 3'),
        ('stop: {a: 0.0, b: 0}', 'stop: hold it'),
        ('providers: [cuda, cpu]', 'providers: [cuda, gpu]'),
        ('threads: 2', 'threads: 1025'),
        ('memory: 512', 'memory: 1048577'),
        ('spare: true', 'spare: yes'),
        ('type: std_msgs/msg/Empty', 'type: std_msgs/msg/String'),
        ('priority: 1,', 'priority: high,'),
        ('phase: joint_states, after: 2 ms', 'phase: joint_states'),
        ('soft_start: 2 s', 'soft_start: forever'),
    ],
)
def test_what_is_no_wiring_is_marked(change):
    assert problems(tree_of(edited(WHOLE, change)), SCHEMA)
