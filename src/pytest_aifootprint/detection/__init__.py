"""Sees AI calls where they happen, and reports names and counts to a recorder. Importing it patches nothing."""

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.patching import Seams
from pytest_aifootprint.detection.recorder import Owner, Pending, Recorder

__all__ = ["AICall", "Owner", "Pending", "Recorder", "Seams"]
