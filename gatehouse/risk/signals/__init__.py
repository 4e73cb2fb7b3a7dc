"""The shelf of risk signals; each file holds one `piece`, pure, that may only look at its facts."""
