"""Signed tokens: keys, signing, verification, revocation; imports audit and below, no users."""
