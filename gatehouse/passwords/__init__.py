"""Passwords: the policy, hashing and storage; imports core, database, net, web and models."""
