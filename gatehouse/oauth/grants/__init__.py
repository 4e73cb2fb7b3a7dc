"""The grants of the token endpoint: a module each, with what a client exchanges for tokens."""
