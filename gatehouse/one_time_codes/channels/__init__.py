"""One module per way to send a code: its `plugin` is a `CodeChannel`."""
