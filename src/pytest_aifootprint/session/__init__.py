"""Roles, hooks and the wire between workers: where pytest meets the rest."""

from pytest_aifootprint.session.metering import Metering

__all__ = ["Metering"]
