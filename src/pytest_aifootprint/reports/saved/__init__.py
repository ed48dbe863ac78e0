"""A run as JSON and back: what ``json_report`` writes, part by part, and what ``aifootprint show`` reads."""
