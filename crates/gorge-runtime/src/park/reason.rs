//! Why somebody waits, in the words of Go's goroutine dumps.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What a parked goroutine waits for. `Display` prints the word that a
        /// dump shows between the brackets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum WaitReason {
            $($(#[$doc])* $name,)*
        }

        impl WaitReason {
            const ALL: &'static [WaitReason] = &[$(WaitReason::$name,)*];

            /// The word that a dump shows.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(WaitReason::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// [`park`](crate::goroutine::park): waits for an unpark.
    Park = "park",
    /// Waits for ever: an empty select.
    Forever = "select (no cases)",
    /// Sleeps.
    Sleep = "sleep",
    /// Joins another goroutine.
    Join = "join",
    /// Waits for the goroutines of a scope.
    Scope = "scope",
    /// Waits for a closure on the blocking pool.
    Blocking = "blocking",
    /// Receives from a channel.
    ChannelReceive = "chan receive",
    /// Receives from a channel that never has a value.
    ChannelReceiveNever = "chan receive (nil chan)",
    /// Sends on a channel.
    ChannelSend = "chan send",
    /// Selects among channels.
    Select = "select",
    /// Waits for a descriptor to become ready.
    Io = "IO wait",
    /// Acquires a semaphore.
    Semaphore = "semacquire",
    /// Waits for a condition variable.
    Condvar = "sync.Cond.Wait",
    /// Acquires a mutex.
    MutexLock = "sync.Mutex.Lock",
    /// Acquires a read lock.
    RwLockRead = "sync.RWMutex.RLock",
    /// Acquires a write lock.
    RwLockWrite = "sync.RWMutex.Lock",
    /// Waits for a wait group's counter to reach zero.
    WaitGroup = "sync.WaitGroup.Wait",
    /// Waits for a `Once` that another one runs.
    Once = "sync.Once",
    /// Waits at a barrier.
    Barrier = "barrier wait",
    /// [`block_on`](crate::block_on()): waits for a future's waker.
    BlockOn = "block_on",
    /// [`sim::settle`](crate::sim::settle): waits until everybody else waits.
    Settle = "sim.settle",
}

impl WaitReason {
    /// The reason with this discriminant, which is stored in a byte.
    pub(crate) fn from_byte(byte: u8) -> WaitReason {
        WaitReason::ALL
            .get(usize::from(byte))
            .copied()
            .unwrap_or(WaitReason::Park)
    }
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_its_byte() {
        for reason in WaitReason::ALL {
            assert_eq!(WaitReason::from_byte(*reason as u8), *reason);
        }
    }
}
