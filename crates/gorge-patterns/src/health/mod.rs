//! Health: work that says it is alive, and those who start it anew when it is not.

pub mod heartbeat;
pub mod steward;
pub mod supervisor;
