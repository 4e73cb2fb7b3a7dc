"""The outbound HTTP client (SSRF-guarded), deadlines and IP addresses."""
