"""Risk assessment of logins and sessions: signals, policy, decision; imports lockout and below."""
