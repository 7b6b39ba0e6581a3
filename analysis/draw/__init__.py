"""How matplotlib draws what a figure shows."""
