//! Locks and wait groups for goroutines and OS threads
