"""Operations: health, metrics, error handlers, cleanup and load shedding."""
