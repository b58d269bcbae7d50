"""Where bytes and records live. Imports pipeline and the engines' drivers."""
