"""What keeps guessers out and owners in; imports tokens, delivery and below, never passwords."""
