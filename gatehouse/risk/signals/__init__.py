"""Risk signal plugins; each file defines `plugin`, a `risk.signal.Signal`: a pure function."""
