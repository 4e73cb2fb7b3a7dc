"""The shelf of delivery channels; each file holds one `piece`."""
