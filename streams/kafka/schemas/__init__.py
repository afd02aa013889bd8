"""The schemas of messages and topics for other programs: JSON Schema, AsyncAPI and a page for people."""
