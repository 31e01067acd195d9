"""What keeps answers: keys, entries, and where they are kept."""
