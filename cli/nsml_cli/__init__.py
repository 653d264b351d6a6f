"""The `nsml` command."""
