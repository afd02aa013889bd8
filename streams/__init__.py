"""What surrounds the pipeline: Kafka, nodes, clocks, files and screens."""
