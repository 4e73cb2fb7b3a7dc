"""The shelf of factors: one file is one kind; imports the contract and below."""
