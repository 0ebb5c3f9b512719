//! Who waits for whom, as far as the runtime knows: joins and scopes, and who
//! shares what they wait for.

use crate::dump::{GoroutineDump, GoroutineState};
use crate::goroutine::{G, GoroutineId};
use crate::park::{ENDED, WaitReason};
use crate::primitive::atomic::Ordering;
use crate::scheduler::Shared;
use std::collections::HashMap;
use std::ptr;
use std::sync::Arc;

/// See the module's description.
#[derive(Default)]
pub(super) struct Graph {
    /// Whose end a goroutine waits for.
    pub(super) ends: HashMap<GoroutineId, Vec<GoroutineId>>,
    /// Who waits at an address.
    pub(super) waiters: HashMap<usize, Vec<GoroutineId>>,
    pub(super) cycles: Vec<Vec<GoroutineId>>,
}

impl Graph {
    pub(super) fn of(shared: &Shared, dump: &GoroutineDump) -> Graph {
        // Under the addresses of Gs and of scopes: whose end is waited for there.
        let mut ending: HashMap<usize, Vec<GoroutineId>> = HashMap::new();
        shared.store.for_each(|g| {
            if g.id().as_u64() != 0 && !g.cell.load().has(ENDED) {
                ending
                    .entry(ptr::from_ref(g).addr())
                    .or_default()
                    .push(g.id());
                if let Some(scope) = scope_of(g) {
                    ending.entry(scope).or_default().push(g.id());
                }
            }
        });
        let mut graph = Graph::default();
        for goroutine in dump.goroutines() {
            match goroutine.state {
                GoroutineState::Waiting(WaitReason::Join | WaitReason::Scope) => {
                    let mut ends = ending.get(&goroutine.object).cloned().unwrap_or_default();
                    ends.sort_unstable();
                    graph.ends.insert(goroutine.id, ends);
                }
                GoroutineState::Waiting(_) if goroutine.object != 0 => {
                    let waiters = graph.waiters.entry(goroutine.object);
                    waiters.or_default().push(goroutine.id);
                }
                _ => {}
            }
        }
        graph.find_cycles();
        graph
    }

    /// Goroutines that wait for each other's ends, in a ring: one ring for each that
    /// a walk along the waits closes.
    fn find_cycles(&mut self) {
        /// On the walk, at this place of it; or seen, and left for good.
        enum Seen {
            OnWalk(usize),
            Left,
        }
        let mut seen: HashMap<GoroutineId, Seen> = HashMap::new();
        let mut starts: Vec<_> = self.ends.keys().copied().collect();
        starts.sort_unstable();
        for start in starts {
            // The goroutines of the walk, and which of its waits each follows next.
            let mut walk = vec![(start, 0)];
            if seen.contains_key(&start) {
                continue;
            }
            seen.insert(start, Seen::OnWalk(0));
            while let Some((goroutine, next)) = walk.last_mut() {
                let ends = self.ends.get(goroutine).map_or(&[][..], Vec::as_slice);
                let Some(&end) = ends.get(*next) else {
                    seen.insert(*goroutine, Seen::Left);
                    walk.pop();
                    continue;
                };
                *next += 1;
                match seen.get(&end) {
                    None => {
                        seen.insert(end, Seen::OnWalk(walk.len()));
                        walk.push((end, 0));
                    }
                    Some(Seen::OnWalk(place)) => {
                        let ring = walk[*place..].iter().map(|(id, _)| *id);
                        self.cycles.push(ring.collect());
                    }
                    Some(Seen::Left) => {}
                }
            }
        }
    }
}

/// The address of the scope that a parked goroutine was started in.
fn scope_of(g: &G) -> Option<usize> {
    if !g.cell.look() {
        return None;
    }
    // Acquire: pairs with the Release with which its machine left the goroutine.
    let is_away = g.on_machine.load(Ordering::Acquire) == 0;
    // SAFETY: the goroutine is parked, off its stack, and claimed: nobody else uses
    // its run part before the release below.
    let scope = is_away.then(|| unsafe { (*g.run.get()).family.as_ref().map(Arc::as_ptr) });
    g.cell.release();
    scope.flatten().map(|scope| scope.addr())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles(waits: &[(u64, &[u64])]) -> Vec<Vec<u64>> {
        let id = |id: &u64| GoroutineId::new(*id);
        let mut graph = Graph::default();
        for (from, ends) in waits {
            graph.ends.insert(id(from), ends.iter().map(id).collect());
        }
        graph.find_cycles();
        let plain = |ring: Vec<GoroutineId>| ring.into_iter().map(GoroutineId::as_u64).collect();
        graph.cycles.into_iter().map(plain).collect()
    }

    #[test]
    fn rings_are_found_and_nothing_else() {
        assert_eq!(cycles(&[(1, &[2]), (2, &[3])]), [[0; 0]; 0]);
        assert_eq!(cycles(&[(1, &[1])]), [[1]]);
        assert_eq!(cycles(&[(1, &[2]), (2, &[3]), (3, &[2])]), [[2, 3]]);
        assert_eq!(
            cycles(&[(1, &[2, 3]), (2, &[1]), (3, &[1])]),
            [[1, 2], [1, 3]]
        );
        // Two ways to the same goroutine are no ring.
        assert_eq!(cycles(&[(1, &[2, 3]), (2, &[4]), (3, &[4])]), [[0; 0]; 0]);
    }

    #[test]
    fn a_long_chain_is_no_deep_recursion() {
        let mut waits: Vec<(u64, [u64; 1])> = (1..100_000).map(|id| (id, [id + 1])).collect();
        waits.push((100_000, [1]));
        let waits: Vec<(u64, &[u64])> = waits.iter().map(|(id, ends)| (*id, &ends[..])).collect();
        assert_eq!(cycles(&waits)[0].len(), 100_000);
    }
}
