"""A real broker and a real chain on this machine: Apache Kafka from Maven, anvil and published bytecode from npm."""
