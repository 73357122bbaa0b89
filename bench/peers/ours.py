"""
Fournex as it is (``fournex run``), with a note of each tick's timing.

``ours.py WIRING [--record DIR]``
"""

from __future__ import annotations

import sys
from typing import Any

from tick_trace import Trace

from fournex_runtime.cli.run import main as run
from fournex_runtime.ros.hosted import HostedSession


def main() -> int:
    """Run until SIGTERM."""
    trace = Trace()
    account = HostedSession._account

    def noted(
        session: Any, record: Any, timing: Any, request: Any, begin_ns: int, outlets: Any
    ) -> None:
        seen_ns = timing.take_ns + timing.decode_ns + timing.observe_ns
        after_ns = timing.conclude_ns + timing.publish_ns
        if record.commands:
            trace.add(
                record.due_ns,
                begin_ns,
                begin_ns + seen_ns + timing.infer_ns + after_ns,
                timing.infer_ns,
                record.inputs[0].stamp_ns,
                seen_ns,
                timing.take_ns,
                timing.decode_ns,
                timing.observe_ns,
                timing.conclude_ns,
                timing.publish_ns,
                timing.record_ns,
            )
        account(session, record, timing, request, begin_ns, outlets)

    HostedSession._account = noted  # type: ignore[method-assign]
    status = run(sys.argv[1:])
    trace.save()
    return status


if __name__ == '__main__':
    sys.exit(main())
