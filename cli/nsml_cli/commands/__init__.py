"""One noun a file; the table of all commands is in nsml_cli.app."""
