"""Calls a parameter service of a node as fast as it answers: ``flood.py NODE``."""

from __future__ import annotations

import contextlib
import sys

import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.executors import ExternalShutdownException

OUTSTANDING = 4


def main() -> None:
    """Call until SIGTERM."""
    rclpy.init()
    node = rclpy.create_node('bench_flood')
    client = node.create_client(GetParameters, f'{sys.argv[1]}/get_parameters')
    client.wait_for_service()
    request = GetParameters.Request(names=['use_sim_time'])

    def again(_: object) -> None:
        client.call_async(request).add_done_callback(again)

    for _ in range(OUTSTANDING):
        again(None)
    with contextlib.suppress(ExternalShutdownException):
        rclpy.spin(node)


if __name__ == '__main__':
    main()
