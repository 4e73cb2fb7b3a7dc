"""The shelf of login methods; each file holds one `piece`."""
