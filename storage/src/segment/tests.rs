//! What a segment gives back, and what it refuses.
