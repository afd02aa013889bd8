"""The forms of messages and topics, told to other programs: JSON Schema, AsyncAPI and a page for people."""
