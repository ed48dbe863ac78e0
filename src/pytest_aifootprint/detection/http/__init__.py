"""One file per client stack: an outer seam (what was asked and answered) and a wire seam (did it really leave)."""
