"""The client library: what the `nsml` command can do, a program can do."""
