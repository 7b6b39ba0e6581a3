"""Rank 0 and the ranks that hold parts of the model."""
