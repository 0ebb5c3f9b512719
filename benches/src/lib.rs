//! Criterion benches: one question per file in `benches/`.
