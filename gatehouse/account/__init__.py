"""Account self-service: sign-up, e-mail and phone changes, password reset and MFA recovery."""
