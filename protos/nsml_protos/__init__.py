"""The contract: one proto file a service, and the code that the build makes of it."""
