"""The few hosted pages and their static files; may import no other room of the street."""
