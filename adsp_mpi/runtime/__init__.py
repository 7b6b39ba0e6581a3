"""What both engines share around the core: preparation, rank 0's part of the trace, results."""
