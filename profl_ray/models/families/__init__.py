"""The model families: one file each, with a mapping `FAMILIES` of its members by name."""
