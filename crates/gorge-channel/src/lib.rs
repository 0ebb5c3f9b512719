//! CSP channels and contexts for goroutines and OS threads
