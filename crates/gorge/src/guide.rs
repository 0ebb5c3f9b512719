//! The guide's chapters, compiled as documentation tests.

#![doc = include_str!("../../../docs/guide.md")]

mod channels {
    #![doc = include_str!("../../../docs/channels.md")]
}

mod context {
    #![doc = include_str!("../../../docs/context.md")]
}

mod groups {
    #![doc = include_str!("../../../docs/groups.md")]
}

mod health {
    #![doc = include_str!("../../../docs/health.md")]
}

mod locks {
    #![doc = include_str!("../../../docs/locks.md")]
}

mod rate_limits {
    #![doc = include_str!("../../../docs/rate-limits.md")]
}

mod resilience {
    #![doc = include_str!("../../../docs/resilience.md")]
}

mod sharing {
    #![doc = include_str!("../../../docs/sharing.md")]
}

mod simulation {
    #![doc = include_str!("../../../docs/simulation.md")]
}

mod streams {
    #![doc = include_str!("../../../docs/streams.md")]
}
