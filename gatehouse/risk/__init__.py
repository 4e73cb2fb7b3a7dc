"""Risk assessment of a login: signals, policy, and the decision they lead to."""
