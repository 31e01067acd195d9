"""An ensemble as a table of a file, and back."""
