"""Wire formats: translation and nothing else, one package a protocol."""
