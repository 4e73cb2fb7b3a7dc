"""Identity providers: a plugin for each protocol, and a preset for each well-known provider."""
