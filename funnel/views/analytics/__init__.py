"""The page of the funnel's figures, its parts, its downloads, and who is behind a number."""
