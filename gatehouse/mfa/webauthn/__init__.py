"""Passkeys (WebAuthn Level 3): what a browser is asked, and how its answer is judged; no HTTP."""
