"""The page, as HTML, Markdown and PDF."""
