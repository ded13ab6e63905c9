"""Reference pages that are made from the code, one module each; `tools.docgen` writes them."""
