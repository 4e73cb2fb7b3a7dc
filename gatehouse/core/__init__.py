"""What every room stands on: clock, crypto, database, errors, JSON; knows no user and no path."""
