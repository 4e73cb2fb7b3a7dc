"""Hooks: servers of the operator that are notified of events, or asked before something happens."""
