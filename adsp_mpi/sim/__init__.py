"""The engine in virtual time: same models, scheduler and gradients; only the clock is virtual."""
