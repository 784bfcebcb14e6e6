"""What is done, told to whoever collects lineage: events as OpenLineage has them."""
