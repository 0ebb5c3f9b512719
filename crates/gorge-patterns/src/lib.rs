//! Concurrency patterns built on goroutines, channels and contexts
#![forbid(unsafe_code)]
