//! Concurrency patterns built on goroutines, channels and contexts
