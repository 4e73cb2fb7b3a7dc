"""One-time codes and links: created, attempted, redeemed once."""
