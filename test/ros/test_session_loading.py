"""The sessions of a wiring are loaded all, or none and nothing is left."""

import os
import pathlib
import threading

import pytest
from backend_cases import bundle, contract, onnx_model
from runtime_process import children
from tiny_session import WIRING, edited

from fournex_runtime.errors import ArtifactError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.ros.session_loading import load_sessions
from fournex_runtime.session.wiring import parse_wiring

NAMES = ('left', 'right', 'apart')


@pytest.fixture
def wiring(tmp_path):
    """Return a function that reads a wiring of three sessions, two of which share a policy."""

    def read(apart_model):
        bundles = {}
        for name, model in (
            ('left', onnx_model('recurrent', 'batch')),
            ('apart', apart_model),
        ):
            text = contract('onnx', 'policy.onnx', 'recurrent')
            bundle(tmp_path / name, model, text, 'policy.onnx')
            bundles[name] = seal_bundle(tmp_path / name)
        bundles['right'] = bundles['left']
        head, session = WIRING.split('  tiny:\n')
        text = head + ''.join(
            f'  {name}:\n' + edited(session, ('topic: commands', f'topic: {name}/commands'))
            for name in NAMES
        )
        return parse_wiring(text, pathlib.Path('wiring.yaml'), bundles)

    return read


def test_sessions_share_policies_in_the_order_of_the_wiring(wiring):
    before = children(os.getpid())
    loaded = load_sessions(wiring(onnx_model('recurrent')), messages(), '', '', 0)
    left, right, apart = loaded
    try:
        assert [one.name for one in loaded] == list(NAMES)
        assert left.policy is right.policy is not apart.policy
        assert (left.row, right.row, apart.row) == (0, 1, 0)
        assert left.backend.batch_size >= 2 and apart.backend.batch_size == 0
        assert len({*children(os.getpid())} - {*before}) == 2
        assert left.policy.describe(1) == f'row 1 of {left.backend.batch_size}'
        assert apart.policy.describe(0) == 'by itself'
        assert left.policy.due == 'in 16 ms'
    finally:
        for one in (left, apart):
            one.backend.close()


def test_where_one_is_refused_no_worker_is_left(wiring):
    before, threads = children(os.getpid()), threading.active_count()
    with pytest.raises(ArtifactError, match=r'apart/policy\.onnx: not a loadable ONNX model'):
        load_sessions(wiring(b'not a model'), messages(), '', '', 0)
    assert not {*children(os.getpid())} - {*before}
    assert threading.active_count() <= threads + 1  # that which starts workers
