"""Levels of a mixture -> embeddings of unit length."""
