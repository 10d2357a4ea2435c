"""What editors need: words of the language, documents, a language server, a lexer for Pygments."""
