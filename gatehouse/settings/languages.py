"""The languages that people are written to: English, and those that have a catalogue."""

from pathlib import Path

SOURCE = "en"
"""The language of the templates themselves."""
CATALOGUES = Path(__file__).parents[1] / "translations"
LANGUAGES = (SOURCE, *sorted(file.stem for file in CATALOGUES.glob("*.po")))
