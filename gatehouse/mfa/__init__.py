"""Second factors: enrolled, asked for, verified; imports sessions and below, never login."""
