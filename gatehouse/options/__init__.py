"""How the text of a setting becomes a value; the cellar under `config`, it imports nothing."""
