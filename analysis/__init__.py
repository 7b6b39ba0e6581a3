"""Offline analysis: reads traces; the experiments also make them, in virtual time."""
