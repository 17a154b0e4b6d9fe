//! What a segment gives back of what was written to it.
