"""Signed tokens: keys, signing, verifying, revocation; imports audit and below, no people."""
