"""Rendering and request plumbing that every app may import; it imports none of them."""
