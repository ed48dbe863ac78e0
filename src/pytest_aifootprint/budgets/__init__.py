"""Limits and verdicts: is this more than was allowed?"""

from pytest_aifootprint.budgets.limits import Limit, parse_limit

__all__ = ["Limit", "parse_limit"]
