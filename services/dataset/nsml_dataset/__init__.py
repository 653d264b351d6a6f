"""The dataset service: names and revisions of data, and the blobs that everything is stored as."""
