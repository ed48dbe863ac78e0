"""From a saved report to the arithmetic of its numbers: every equation, every input with its source."""
