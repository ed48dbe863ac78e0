"""Meters: energy counters, and models where no counter stands. ``selection.select`` chooses for this machine."""
