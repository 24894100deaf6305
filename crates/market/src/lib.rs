//! Placeholder crate root, filled in by its first commit.
