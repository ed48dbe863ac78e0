"""What every wire seam says: the request at hand goes to a connection now."""

from __future__ import annotations

from pytest_aifootprint.detection.patching import Arming


def leaves(arming: Arming, *, socket_file: str | None = None) -> None:
    """Mark the request that the current context is inside of, if it is an AI call. Never raises.

    Args:
        arming: of the session.
        socket_file: path of the unix socket that the connection goes through; None for a host and port.
    """
    sending = arming.sending.get()
    if sending is None or not arming.active:
        return
    if sending.exchange.wired and socket_file is None:
        return  # said by the connection around this one
    try:
        sending.left(socket_file)
    except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
        arming.recorder.error("wire", error)
