"""The first start of a box: what is there, what the site knows, a configuration, an identity, and off it goes."""
