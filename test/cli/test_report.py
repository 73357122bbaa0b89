"""``fournex report``: the page of a recording, and the data that it draws."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from fournex_runtime.cli.recorded_run import read_run
from fournex_runtime.cli.report_data import MOST_POINTS, report_data, thinned
from fournex_runtime.session.blame import STAGE_WORDS, STAGES


@pytest.fixture(scope='module')
def page(fournex, bag):
    done = fournex('report', bag)
    assert done.status == 0, done.err
    assert done.out.startswith(f'{bag}/report.html (')
    return (bag / 'report.html').read_text(encoding='utf-8')


def test_the_page_needs_nothing_else(page):
    assert not re.search(r'https?://|<link|src=|@import', page)
    assert '{{title}}' not in page and '{{data}}' not in page


def test_its_data_are_those_of_the_recording(page, bag):
    (text,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    data = json.loads(text)
    assert data == json.loads(json.dumps(report_data(read_run(bag))))
    (session,) = data['sessions']
    ticks = read_run(bag).sessions[0].ticks
    assert session['tick'] == [tick.tick for tick in ticks]
    panels = {panel['title']: panel for panel in session['panels']}
    effort = panels['joint_effort_target / cart']
    sent = next(curve for curve in effort['curves'] if curve['name'] == 'sent')['y']
    assert sent == pytest.approx([tick.safe_action[0].float64_data[0] for tick in ticks], rel=1e-4)
    assert [one['at'] for one in effort['bounds']] == [-10.0, 10.0]
    seen = panels['obs: joint_position']['curves']
    assert [curve['name'] for curve in seen] == ['cart', 'pole']
    assert seen[1]['y'][7] == pytest.approx(float(ticks[7].observation[0].float32_data[1]), 1e-4)
    timed = [row[0] for row in session['times'] if not row[0].startswith('age of ')]
    assert timed == ['lateness', *STAGES[:-1], 'record of the tick before']
    stages = {STAGE_WORDS.get(stage, stage): f'{stage}_ns' for stage in STAGES}
    measured = [
        stage
        for stage, field in stages.items()
        if any(getattr(tick.timing, field) for tick in ticks)
    ]
    drawn = [curve['name'] for curve in panels['release lateness and stages']['curves']]
    assert measured and drawn == measured
    assert panels['age of inputs']['bounds'] == [{'name': 'budget of /joint_states', 'at': 50.0}]
    (histogram,) = session['histograms']
    assert sum(histogram['sent']) == len(ticks)
    words = [event['words'] for event in session['events']]
    assert 'seed-10001 begins, seed 10001' in words


def test_text_of_a_recording_cannot_leave_its_place(fournex, bag, rewrite, tmp_path):
    def alter(message):
        return message.data.replace(b'seed-10001', b'</script>x')

    done = fournex('report', rewrite(bag, tmp_path / 'altered', alter))
    assert done.status == 0, done.err
    text = (tmp_path / 'altered' / 'report.html').read_text()
    assert '</script>x' not in text
    assert '<\\/script>x' in text


def test_ticks_that_are_not_equal_are_marked(fournex, bag, rewrite, tmp_path):
    def alter(message):
        if (message.topic, message.sequence) != ('/effort_controller/commands', 700):
            return message.data
        return message.data[:-1] + bytes([message.data[-1] ^ 1])

    altered = rewrite(bag, tmp_path / 'altered', alter)
    done = fournex('report', altered, '--verify', '--diff', bag)
    assert done.status == 0, done.err
    page = (altered / 'report.html').read_text(encoding='utf-8')
    (text,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page, re.S)
    (session,) = json.loads(text)['sessions']
    summary = dict(session['summary'])
    assert summary['replayed'] == 'commands 1 unequal, 0 unverifiable'
    assert summary[f'against {bag}'] == 'command 1 of 2002 ticks differ'
    marks = [event for event in session['events'] if event['kind'] == 'divergence']
    at = {event['tick']: event['t'] for event in marks}
    assert at == {699: pytest.approx(session['t'][699])}
    words = [event['words'] for event in marks]
    same = 'the command on /effort_controller/commands has other bytes'
    assert words == [
        f'replayed, commands: tick 699: {same}',
        f'against {bag}, command: {same}',
    ]
    assert [event['tick'] for event in session['events']] == [0, 0, 699, 699, 1001]


def test_of_a_long_run_every_extreme_is_kept():
    count = 10 * MOST_POINTS + 3
    column = np.sin(np.arange(count) / 50.0)
    column[[17, 40_000]] = 9.0, -9.0
    column[100:300] = np.nan
    points, columns = thinned(count)
    shown = columns(column)
    assert len(points) == len(shown) <= MOST_POINTS + 2
    assert (np.diff(points) >= 0).all() and points[-1] < count
    assert max(value for value in shown if value is not None) == 9.0
    assert min(value for value in shown if value is not None) == -9.0
    assert None in shown


def test_what_cannot_be_reported(fournex, tmp_path):
    done = fournex('report', tmp_path)
    assert done.status == 2
    assert str(tmp_path) in done.err
