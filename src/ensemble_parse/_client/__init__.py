"""The seam to the models: what is asked of a client, and the client that reaches them through LiteLLM and instructor."""
