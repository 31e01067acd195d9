"""A demonstration on this computer: short documents, small models, no key and no network."""
