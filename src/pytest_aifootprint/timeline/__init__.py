"""The timeline: readings of the counters over a run, and the energy between any two moments."""
