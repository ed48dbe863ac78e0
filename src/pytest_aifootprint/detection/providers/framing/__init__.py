"""The forms in which an answer comes: JSON documents, server-sent events, Amazon's binary messages."""
