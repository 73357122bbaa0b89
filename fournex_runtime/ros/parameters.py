"""Questions to other nodes, with a bounded wait for the answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python

ANSWER_S = 2.0
"""How long another node may take to answer."""


def call(node: Node, kind: Any, service: str, request: Any) -> Any:
    """
    Call a service; an executor in another thread must spin the node.

    :returns: the response; None when there is none in ``ANSWER_S``.
    """
    client = node.create_client(kind, service, callback_group=ReentrantCallbackGroup())
    try:
        if not client.wait_for_service(ANSWER_S):
            return None
        future = client.call_async(request)
        deadline = time.monotonic() + ANSWER_S
        while not future.done():
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.002)
        return future.result()
    finally:
        node.destroy_client(client)


def ask_parameters(node: Node, of: str, names: Sequence[str]) -> dict[str, Any] | None:
    """
    Return parameters of another node by name; those that it has not are None.

    :param of: full name of the node.
    :returns: None when it does not answer.
    """
    response = call(
        node, GetParameters, f'{of}/get_parameters', GetParameters.Request(names=names)
    )
    if response is None:
        return None
    if not response.values:  # rcl refuses a whole request for one parameter that is not declared
        return _one_by_one(node, of, names) if len(names) > 1 else dict.fromkeys(names)
    return {name: parameter_value_to_python(one) for name, one in zip(names, response.values)}


def _one_by_one(node: Node, of: str, names: Sequence[str]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for name in names:
        answer = ask_parameters(node, of, [name])
        if answer is None:
            return None
        found.update(answer)
    return found
