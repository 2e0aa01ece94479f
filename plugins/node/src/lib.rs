//! Stock plugin: the life of a node.
