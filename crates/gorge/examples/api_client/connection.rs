//! The API: each call is made when all of its limits admit it.
//!
//! ```text
//!                   ┌ per second ┐
//!          ┌─ api ──┤ per minute ├──┬── disk ─────► read
//!   call ──┤        └ at once ───┘  │
//!          └────────────────────────┴── network ──► resolve
//! ```

use crate::args::Options;
use gorge::context::Context;
use gorge::patterns::rate::{Concurrency, Limit, Limiter, MultiLimiter, RateLimiter};
use gorge::patterns::{TraceResult, Traced};
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

/// A client. Clones share its limits.
#[derive(Clone)]
pub(crate) struct Connection {
    disk: MultiLimiter,
    network: MultiLimiter,
}

/// What came of a call.
pub(crate) enum Reply {
    Bytes(usize),
    Addresses(Vec<SocketAddr>),
}

impl Connection {
    pub(crate) fn open(options: &Options) -> Connection {
        // One at a time, but of a minute's as many as there may be.
        let minute = usize::try_from(options.per_minute).unwrap_or(usize::MAX);
        let at_once = usize::try_from(options.at_once).unwrap_or(usize::MAX);
        let api = MultiLimiter::new()
            .and(Concurrency::new(at_once))
            .and(Limiter::new(options.per_second, 1))
            .and(Limiter::new(
                Limit::per_minute(f64::from(options.per_minute)),
                minute,
            ));
        Connection {
            disk: api.clone().and(Limiter::new(options.disk, 1)),
            network: api.and(Limiter::new(options.network, 1)),
        }
    }

    pub(crate) fn read(&self, context: &Context, path: &Path) -> Result<Reply, Traced> {
        let _permit = admit(&self.disk, context)?;
        let content = gorge::blocking(|| std::fs::read(path));
        let content = content.traced("The file cannot be read.");
        Ok(Reply::Bytes(
            content
                .map_err(|error| error.note("file", path.display()))?
                .len(),
        ))
    }

    pub(crate) fn resolve(&self, context: &Context, address: &str) -> Result<Reply, Traced> {
        let _permit = admit(&self.network, context)?;
        let addresses = gorge::blocking(|| address.to_socket_addrs().map(Vec::from_iter));
        let addresses = addresses.traced("The address is not known.");
        Ok(Reply::Addresses(
            addresses.map_err(|error| error.note("address", address))?,
        ))
    }
}

fn admit(limits: &MultiLimiter, context: &Context) -> Result<impl Sized, Traced> {
    limits
        .acquire(context, 1)
        .traced("There is no time for this call.")
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Bytes(bytes) => write!(f, "{bytes} bytes"),
            Reply::Addresses(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                f.write_str(&addresses.join(", "))
            }
        }
    }
}
