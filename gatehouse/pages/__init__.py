"""The hosted pages and their static files; no other package imports this one."""
