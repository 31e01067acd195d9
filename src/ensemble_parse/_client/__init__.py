"""The seam to the models: what is asked of a client, and the client that goes through LiteLLM and instructor."""
