"""HTTP layer: middleware, request validation, OpenAPI, cookies, rate limits, idempotency."""
