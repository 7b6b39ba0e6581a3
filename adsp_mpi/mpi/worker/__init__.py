"""A worker rank: its loop, its commits, its pauses."""
