"""The shelf of CAPTCHAs; each file holds one `piece`, whose contract is `defence/puzzle.py`."""
