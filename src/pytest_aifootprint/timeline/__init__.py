"""The timeline: the clock and its ticks, and what the counters and the machine said over a run."""
