//! What answers look like as bytes.
