"""Login method plugins; each module defines one `plugin`."""
