"""Python processes that a run starts: their calls are written to a folder, from which the run picks them up."""
