"""One observation term, wired to given message types; reads real CDR bytes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from both_ways import build_both_ways

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.observation import LastAction, ObservationPipeline
from fournex_runtime.pipeline.ports import FramePort, Port, Source
from fournex_runtime.pipeline.transforms import Frames
from fournex_runtime.policy.contract import parse_contract
from fournex_runtime.policy.term_kinds import OBSERVATION_KINDS

NOTHING = LastAction(np.zeros(1), np.zeros(1))


class WiredTerm:
    """
    A term of a float64 input.

    :param term: as a contract has it, without the braces.
    :param types: the message type of each of its ports.
    :param frames: for ports that are frames, by name: the frame, and in which one to see it.
    :param port: what the ports say: ``field``, ``fields``, ``joints``, ``unit``, ``names``,
        ``reference``; with the name of a port, what that one says beside it.
    """

    def __init__(
        self,
        term: str,
        *types: str,
        prefix: str = '',
        frames: Mapping[str, tuple[str, str]] = MappingProxyType({}),
        **port: Any,
    ) -> None:
        contract = parse_contract(f"""\
name: t
version: 1
period: 10 ms
inputs: {{obs: {{dtype: float64, terms: [{{{term}}}]}}}}
outputs: {{action: [{{term: value, size: 1}}]}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
""")
        self.term = contract.inputs['obs'][0]
        self.types = types
        names = [one for one in OBSERVATION_KINDS[self.term.kind].ports if one not in frames]
        own = {name: port.pop(name, {}) for name in names}
        ports = []
        for index, name in enumerate(names):
            says = {'field': '', 'joints': (), **port, **own[name]}
            says['fields'] = tuple(dict(says.get('fields', ())).items())
            ports.append(Port(term=self.term.name, port=name, source=index, budget_ns=1, **says))
        frame_ports = [FramePort(self.term.name, name, *where) for name, where in frames.items()]
        sources = [Source(f'topic_{index}', kind) for index, kind in enumerate(types)]
        self.pipeline = ObservationPipeline(
            contract, sources, ports, messages(), None, prefix, frame_ports
        )

    def __call__(self, *data: bytes, frames: Frames | None = None) -> list[float]:
        """Return the term's values out of a message of each port."""
        built = build_both_ways(self.pipeline, self.types, data, NOTHING, {}, frames=frames)
        found: list[float] = built.inputs['obs'][0].tolist()
        return found
