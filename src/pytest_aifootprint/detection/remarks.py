"""What could not be told about a call: codes on ``AICall.notices``, and what they mean in one line."""

from __future__ import annotations

MEANINGS = {
    "batch-of-requests": "a batch was handed in: its requests run later, and what they take is not seen",
    "never-sent": "the request failed before anything was sent (a closed client, say): it cost nothing",
    "no-usage": "the answer does not say how many tokens it took: they are unknown",
    "odd-model-name": "the model's name had control characters: they were replaced",
    "server-unseen": (
        "the server's CPU cannot be read from here (another user's, in a container, or on another machine): "
        "what it used is estimated from the model's size, not metered"
    ),
    "steps-unseen": (
        "a training step of jax was seen while it was compiled: how often it ran, here and in later tests, is unknown"
    ),
    "unknown-encoding": "the answer was compressed in a way that cannot be read here: its tokens are unknown",
    "unknown-format": "the answer could not be read: its tokens are unknown",
    "unknown-model": "the model has no name that could be found",
    "unknown-provider": "the host is not in the table of providers",
    "unknown-server": "could not tell whether the server on this machine is the test's own: taken as a real one",
    "unknown-transport": "answered by a transport that is not known here: taken as mocked",
    "unread-protocol": "its contents are not read here (a websocket, gRPC): its tokens are unknown",
    "unreadable-model": "the model's object raised when it was read: some of name, size, precision, device are unknown",
    "unread-request": "the request could not be read: its model is unknown",
}


def meaning(code: str) -> str:
    """One line for people."""
    return MEANINGS.get(code, code)
