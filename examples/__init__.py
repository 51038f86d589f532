"""Examples that run: the reference trading desk that the checklists are bound to by default."""
