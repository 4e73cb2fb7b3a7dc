"""Parse and check settings. The lowest layer: imports no other package of Gatehouse."""
