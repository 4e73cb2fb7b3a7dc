"""What people change themselves where sessions and factors are touched too; imports sessions."""
