"""The layouts for Foxglove and PlotJuggler name topics and fields that there are."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from fournex_runtime.pipeline.messages import messages

TYPES = {
    '/fournex/rover/tick': 'fournex_msgs/msg/Tick',
    '/fournex/rover/event': 'fournex_msgs/msg/SessionEvent',
    '/fournex/rover/status': 'fournex_msgs/msg/SessionStatus',
    '/fournex/manifest': 'fournex_msgs/msg/Manifest',
    '/diagnostics': 'diagnostic_msgs/msg/DiagnosticArray',
}
TOPIC = re.compile('|'.join(map(re.escape, TYPES)))
NUMBERS = re.compile(r'u?int(8|16|32|64)|float(32|64)|bool')
STRING = 'string'


def field_type(kind: str, path: list[str]) -> str:
    """
    Return the type of a field.

    :param kind: message type that it is in.
    :param path: names, each with its index behind it.
    """
    for step in path:
        name, _, index = step.partition('[')
        messages().ensure(kind)
        fields = dict(messages().typestore.fielddefs[kind][1])
        assert name in fields, f'{kind} has no {name}; it has {", ".join(fields)}'
        node, inner = fields[name]
        if node.name in ('ARRAY', 'SEQUENCE'):
            assert index, f'{kind}.{name} is a list'
            node, inner = inner[0]
        else:
            assert not index, f'{kind}.{name} is no list'
        kind = inner[0] if node.name == 'BASE' else inner
    return kind


def message_path(path: str) -> str:
    """Return the type of what a message path of Foxglove names, but for its arithmetic."""
    topic = TOPIC.match(path)
    assert topic, path
    rest = re.sub(r'\.@mul\([0-9.]+\)$', '', path[topic.end() :])
    assert re.fullmatch(r'(\.\w+(\[(\d+|:)\])?)*', rest), path
    return field_type(TYPES[topic[0]], rest.split('.')[1:])


@pytest.fixture(scope='module')
def foxglove(checkout):
    return json.loads((checkout / 'config' / 'foxglove.json').read_text())


def panels_of(layout):
    """Return the panels that a tree of splits shows."""
    if isinstance(layout, str):
        return [layout]
    assert layout['direction'] in ('row', 'column') and 0 < layout['splitPercentage'] < 100
    return panels_of(layout['first']) + panels_of(layout['second'])


def test_every_panel_is_shown_once(foxglove):
    configured = foxglove['configById']
    shown = panels_of(foxglove['layout'])
    for tab in (one for name in shown if name.startswith('Tab!')
                for one in configured[name]['tabs']):  # fmt: skip
        shown = shown + panels_of(tab['layout'])
    assert sorted(shown) == sorted(configured)


def test_every_path_is_a_field_of_a_message(foxglove):
    """Numbers where curves are drawn; and something that can be a state where states are."""
    checked = 0
    for name, panel in foxglove['configById'].items():
        for one in panel.get('paths', ()):
            kind = message_path(one['value'])
            assert NUMBERS.fullmatch(kind) or (name.startswith('State') and kind == STRING), one
            checked += 1
        for key in ('topicPath', 'topicToRender'):
            if key in panel:
                assert message_path(panel[key]) in TYPES.values()
                checked += 1
    assert checked > 20


def test_every_curve_of_plotjuggler_is_a_number(checkout):
    root = ElementTree.parse(checkout / 'config' / 'plotjuggler.xml').getroot()
    curves = [one.get('name', '') for one in root.iter('curve')]
    for curve in curves:
        topic = TOPIC.match(curve)
        assert topic, curve
        kind = field_type(TYPES[topic[0]], curve[topic.end() + 1 :].split('/'))
        assert NUMBERS.fullmatch(kind), curve
    assert len(curves) > 5
    for splitter in root.iter('DockSplitter'):
        sizes = splitter.get('sizes', '').split(';')
        assert len(splitter) == int(splitter.get('count', '')) == len(sizes)
