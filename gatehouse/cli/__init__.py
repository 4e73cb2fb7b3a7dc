"""Commands of the operator: `flask ...`, calling the same services as the routes."""
