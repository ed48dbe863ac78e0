"""Limits and verdicts: is this more than was allowed?"""

from pytest_aifootprint.budgets.limits import Limit, ScopedLimit, parse_limit, parse_scoped

__all__ = ["Limit", "ScopedLimit", "parse_limit", "parse_scoped"]
