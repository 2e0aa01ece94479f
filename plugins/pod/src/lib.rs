//! Stock plugin: the life of a pod.
