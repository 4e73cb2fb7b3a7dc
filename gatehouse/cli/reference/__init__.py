"""The pages of `docs/` that the code writes about itself; imports what they describe, no street."""
