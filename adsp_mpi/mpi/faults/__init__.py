"""Watches over ranks without which a run cannot go on."""
