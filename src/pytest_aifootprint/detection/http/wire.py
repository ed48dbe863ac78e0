"""What every wire seam says: the request at hand goes to a connection now."""

from __future__ import annotations

from pytest_aifootprint.detection.patching import Arming


def leaves(arming: Arming, *, through_a_file: bool = False) -> None:
    """Mark the request that the current context is inside of, if it is an AI call. Never raises."""
    sending = arming.sending.get()
    if sending is None or not arming.active:
        return
    try:
        sending.left()
        if through_a_file:
            sending.is_here()
    except Exception as error:  # noqa: BLE001 - watching never raises into the watched call
        arming.recorder.error("wire", error)
