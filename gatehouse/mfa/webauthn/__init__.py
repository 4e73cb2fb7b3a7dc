"""WebAuthn Level 3: options, challenges, verification and storage of passkeys; no HTTP."""
