"""The pages: Vue sources, one folder per page, and the helper that builds them with pip's own Node.js."""
