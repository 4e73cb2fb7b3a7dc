"""Forward authentication: gateways ask for every request whether its access token is valid."""
