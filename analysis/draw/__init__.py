"""Draws figures with matplotlib, for print."""
