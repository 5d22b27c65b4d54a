"""Definitions as forms: what a document looks like as fields, and what posted fields make of it."""
