"""How texts of settings become values, and which are refused; the cellar: it imports nothing."""
