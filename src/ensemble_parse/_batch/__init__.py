"""Many inputs: what goes in and comes out, what is kept of it, and how far it is."""
