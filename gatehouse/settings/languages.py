"""Available languages: English, and every language with a message catalogue (`.po`)."""

from pathlib import Path

SOURCE_LANGUAGE = "en"
"""Language of the templates and message ids."""
TRANSLATIONS_FOLDER = Path(__file__).parents[1] / "translations"
LANGUAGES = (SOURCE_LANGUAGE, *sorted(file.stem for file in TRANSLATIONS_FOLDER.glob("*.po")))
