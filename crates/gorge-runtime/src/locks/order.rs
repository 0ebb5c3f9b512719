//! In which order locks are taken: a graph with an edge from each lock that was held
//! to each that was then waited for.
//!
//! A ring in it means that parties which go round it at the same time, each with one
//! of its locks, wait for each other for ever, whether that has ever happened or not.
//!
//! * [`add`](Order::add): one edge, and the ring that it closes.
//! * [`forget`](Order::forget): a lock that is gone, whose address another one may get.

use std::collections::{HashMap, HashSet};

/// The graph, with what is known of each edge.
#[derive(Debug)]
pub(super) struct Order<E> {
    edges: HashMap<usize, HashMap<usize, E>>,
    /// The same edges, backwards.
    sources: HashMap<usize, HashSet<usize>>,
}

impl<E> Default for Order<E> {
    fn default() -> Order<E> {
        Order {
            edges: HashMap::new(),
            sources: HashMap::new(),
        }
    }
}

impl<E> Order<E> {
    /// Whether the edge is known.
    pub(super) fn has(&self, held: usize, taken: usize) -> bool {
        self.edge(held, taken).is_some()
    }

    pub(super) fn edge(&self, held: usize, taken: usize) -> Option<&E> {
        self.edges.get(&held)?.get(&taken)
    }

    /// Adds an edge. Returns the way that led from `taken` to `held` before, if there
    /// was one: with the edge, a ring.
    pub(super) fn add(&mut self, held: usize, taken: usize, evidence: E) -> Option<Vec<usize>> {
        let way = self.way(taken, held);
        self.edges.entry(held).or_default().insert(taken, evidence);
        self.sources.entry(taken).or_default().insert(held);
        way
    }

    /// Takes a lock out, with all its edges.
    pub(super) fn forget(&mut self, lock: usize) {
        for taken in self.edges.remove(&lock).into_iter().flatten() {
            if let Some(sources) = self.sources.get_mut(&taken.0) {
                sources.remove(&lock);
            }
        }
        for held in self.sources.remove(&lock).into_iter().flatten() {
            if let Some(edges) = self.edges.get_mut(&held) {
                edges.remove(&lock);
            }
        }
    }

    /// A shortest way along the edges.
    fn way(&self, from: usize, to: usize) -> Option<Vec<usize>> {
        let mut previous = HashMap::from([(from, from)]);
        let mut front = vec![from];
        while !front.is_empty() && !previous.contains_key(&to) {
            let mut next = Vec::new();
            for lock in front {
                for &taken in self.edges.get(&lock).into_iter().flat_map(HashMap::keys) {
                    previous.entry(taken).or_insert_with(|| {
                        next.push(taken);
                        lock
                    });
                }
            }
            front = next;
        }
        previous.get(&to)?;
        let mut way = vec![to];
        while way.last() != Some(&from) {
            way.extend(way.last().map(|lock| previous[lock]));
        }
        way.reverse();
        Some(way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_found_when_its_last_edge_is_added() {
        let mut order = Order::default();
        assert_eq!(order.add(1, 2, ()), None);
        assert_eq!(order.add(2, 3, ()), None);
        assert_eq!(order.add(1, 3, ()), None);
        assert_eq!(order.add(3, 4, ()), None);
        assert_eq!(order.add(4, 2, ()), Some(vec![2, 3, 4]));
        assert_eq!(order.add(5, 5, ()), Some(vec![5]));
    }

    #[test]
    fn a_lock_that_is_gone_closes_no_ring() {
        let mut order = Order::default();
        order.add(1, 2, ());
        order.add(2, 3, ());
        order.forget(2);
        assert!(!order.has(1, 2) && !order.has(2, 3));
        assert_eq!(order.add(3, 1, ()), None);
        assert_eq!(order.add(2, 1, ()), None);
    }
}
