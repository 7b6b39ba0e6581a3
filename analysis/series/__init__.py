"""The vocabulary that describes figures: panels, axes, lines, boxes and levels."""
