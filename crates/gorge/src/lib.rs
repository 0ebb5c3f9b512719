//! Go's concurrency model for Rust: goroutines, channels, sync, context, patterns
