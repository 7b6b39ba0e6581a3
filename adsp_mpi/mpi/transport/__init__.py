"""Arrays on a server that every rank reads and adds to, by one-sided operations or messages."""
