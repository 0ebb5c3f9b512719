//! Goroutines on an M:N work-stealing scheduler
