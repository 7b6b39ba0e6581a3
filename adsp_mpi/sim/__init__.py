"""The engine in virtual time: real schemes, scheduler and gradients; only the clock is virtual."""
