"""Login: methods, account checks, risk and second factors. Only this package opens sessions."""
