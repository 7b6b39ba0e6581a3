"""Offline analysis: reads traces only."""
