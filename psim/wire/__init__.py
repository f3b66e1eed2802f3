"""The wire: messages, their encoding, and what they weigh. docs/wire.md states the format."""
