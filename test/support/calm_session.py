"""The tiny session with a second policy beside its own, which sees a slope and the time."""

import pathlib

from ros_messages import FLOAT64, cdr
from tiny_session import CONTRACT, WIRING, edited, make_bundle

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.wiring import fallback_key, parse_wiring

POSITION = """\
    - term: joint_position
      joints: [a, b]
      history: 2
      order: oldest_first
"""
CALM = edited(
    CONTRACT,
    ('name: tiny', 'name: calm'),
    (POSITION, '    - {term: value, name: slope, size: 1}\n    - {term: clock, of: tick}\n'),
    ('joints: same', 'joints: [a, b]'),
)  # fmt: skip
FALLBACK = """\
    fallback:
      calm:
        policy: calm
        inputs:
          slope: {topic: slope, type: std_msgs/msg/Float64, field: data, budget: 100 ms}
    reward:"""
STALE = ('stale: hold 60 ms then stop', 'stale: policy calm then ramp 40 ms to zero then stop')


def make_engine(*changes, calm=CALM, own=CONTRACT):
    """Return the engine; the changes are of the wiring."""
    text = edited(WIRING, ('    reward:', FALLBACK), *changes)
    bundle = make_bundle(own)
    bundles = {'tiny': bundle, fallback_key('tiny', 0): make_bundle(calm)}
    wiring = parse_wiring(text, pathlib.Path('wiring.yaml'), bundles).sessions[0]
    return Engine(bundle, wiring, messages())


def slope(value=0.5):
    """Return a message of the second policy's input."""
    return [cdr(FLOAT64, data=value)]
