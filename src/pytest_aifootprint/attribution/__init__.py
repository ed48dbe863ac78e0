"""From CPU seconds and counters to joules per owner, with a balance for each domain (method: sections 1 and 2)."""
