"""Factor plugins: one module per kind, each with a `plugin` that implements `mfa.factor.Factor`."""
