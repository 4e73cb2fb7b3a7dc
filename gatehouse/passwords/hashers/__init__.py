"""The shelf of password hashers, one file each; a piece imports its contract and its library."""
