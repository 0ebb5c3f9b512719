//! The banker's algorithm (Dijkstra, 1965): clients borrow several kinds of resources
//! bit by bit, and have said how much they will need at most. The bank lends only if
//! afterwards there is an order in which every client can still get all it may ask for,
//! finish, and pay back: a *safe* state. So no ring of clients can wait for each other.

use gorge::sync::{Condvar, Mutex};
use gorge::{scope, yield_now};

/// How many kinds of resources there are.
const KINDS: usize = 3;

/// So much of each kind.
pub(crate) type Amounts = [u32; KINDS];

fn fits(small: Amounts, large: Amounts) -> bool {
    small
        .iter()
        .zip(large)
        .all(|(small, large)| *small <= large)
}

fn plus(a: Amounts, b: Amounts) -> Amounts {
    std::array::from_fn(|kind| a[kind] + b[kind])
}

fn minus(a: Amounts, b: Amounts) -> Amounts {
    std::array::from_fn(|kind| a[kind] - b[kind])
}

/// What the bank has, and what it has lent to whom.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    free: Amounts,
    lent: Vec<Amounts>,
    /// What each client may ask for in all.
    claims: Vec<Amounts>,
}

impl Ledger {
    /// An order in which all clients can finish, if there is one.
    pub(crate) fn safe_order(&self) -> Option<Vec<usize>> {
        let mut free = self.free;
        let mut waiting: Vec<usize> = (0..self.lent.len()).collect();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let can_finish = |client: &usize| {
                let (claim, lent) = (self.claims[*client], self.lent[*client]);
                fits(minus(claim, lent), free)
            };
            let client = waiting.remove(waiting.iter().position(can_finish)?);
            free = plus(free, self.lent[client]);
            order.push(client);
        }
        Some(order)
    }

    fn lend(&mut self, client: usize, amounts: Amounts) {
        self.free = minus(self.free, amounts);
        self.lent[client] = plus(self.lent[client], amounts);
    }

    fn take_back(&mut self, client: usize, amounts: Amounts) {
        self.free = plus(self.free, amounts);
        self.lent[client] = minus(self.lent[client], amounts);
    }
}

/// A bank that keeps its clients waiting rather than to lend unsafely.
pub(crate) struct Bank {
    ledger: Mutex<Ledger>,
    paid_back: Condvar,
}

impl Bank {
    pub(crate) fn new(capital: Amounts, claims: Vec<Amounts>) -> Bank {
        assert!(claims.iter().all(|claim| fits(*claim, capital)));
        let ledger = Ledger {
            free: capital,
            lent: vec![[0; KINDS]; claims.len()],
            claims,
        };
        Bank {
            ledger: Mutex::new(ledger),
            paid_back: Condvar::new(),
        }
    }

    /// Lends as soon as that is safe. Panics if the client has not announced so much.
    pub(crate) fn borrow(&self, client: usize, amounts: Amounts) {
        let mut ledger = self.ledger.lock();
        let asked = plus(ledger.lent[client], amounts);
        assert!(fits(asked, ledger.claims[client]), "more than announced");
        loop {
            if fits(amounts, ledger.free) {
                ledger.lend(client, amounts);
                if ledger.safe_order().is_some() {
                    return;
                }
                ledger.take_back(client, amounts);
            }
            self.paid_back.wait(&mut ledger);
        }
    }

    /// The client has finished.
    pub(crate) fn pay_back_all(&self, client: usize) {
        let mut ledger = self.ledger.lock();
        let lent = ledger.lent[client];
        ledger.take_back(client, lent);
        drop(ledger);
        self.paid_back.notify_all();
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger.lock().clone()
    }
}

/// Each client borrows what it announced, one unit at a time, and pays back, so often.
/// Returns how many loans were looked at, every one of them in a safe state.
pub(crate) fn lend_to_all(capital: Amounts, claims: Vec<Amounts>, times: usize) -> usize {
    let clients = claims.len();
    let bank = Bank::new(capital, claims.clone());
    let looks = Mutex::new(0);
    scope(|s| {
        for client in 0..clients {
            let (bank, claims, looks) = (&bank, &claims, &looks);
            s.spawn(move || {
                for _ in 0..times {
                    for kind in 0..KINDS {
                        for _ in 0..claims[client][kind] {
                            let mut unit = [0; KINDS];
                            unit[kind] = 1;
                            bank.borrow(client, unit);
                            assert!(bank.ledger().safe_order().is_some());
                            *looks.lock() += 1;
                            yield_now();
                        }
                    }
                    bank.pay_back_all(client);
                }
            });
        }
    });
    assert_eq!(bank.ledger().free, capital, "all was paid back");
    looks.into_inner()
}

pub(crate) fn tell() {
    let ledger = textbook();
    println!("  a safe order: {:?}", ledger.safe_order());
    let mut greedy = ledger.clone();
    greedy.lend(0, [0, 2, 0]);
    println!(
        "  two more of the second kind for 0: {:?}",
        greedy.safe_order()
    );
    let claims = vec![[2, 1, 1], [1, 2, 2], [2, 2, 1], [1, 1, 2]];
    let loans = gorge::run(|| lend_to_all([3, 3, 3], claims, 10));
    println!("  {loans} loans to four clients, all of them safe");
}

/// The example of Silberschatz, Galvin and Gagne, Operating System Concepts.
fn textbook() -> Ledger {
    Ledger {
        free: [2, 3, 0],
        lent: vec![[0, 1, 0], [3, 0, 2], [3, 0, 2], [2, 1, 1], [0, 0, 2]],
        claims: vec![[7, 5, 3], [3, 2, 2], [9, 0, 2], [2, 2, 2], [4, 3, 3]],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_textbooks_state_is_safe_and_becomes_unsafe() {
        let ledger = textbook();
        assert_eq!(ledger.safe_order(), Some(vec![1, 3, 0, 2, 4]));
        let mut greedy = ledger;
        greedy.lend(0, [0, 2, 0]);
        assert_eq!(greedy.safe_order(), None);
    }

    #[test]
    fn a_client_waits_for_a_loan_that_would_be_unsafe() {
        gorge::run(|| {
            let bank = Bank::new([2, 0, 0], vec![[2, 0, 0]; 2]);
            bank.borrow(0, [1, 0, 0]);
            scope(|s| {
                // The last one would leave nobody able to finish.
                let second = s.spawn(|| bank.borrow(1, [1, 0, 0]));
                for _ in 0..100 {
                    yield_now();
                }
                assert!(!second.is_finished());
                bank.borrow(0, [1, 0, 0]);
                bank.pay_back_all(0);
                second.join().expect("it got its loan");
            });
            assert_eq!(bank.ledger().lent, [[0; 3], [1, 0, 0]]);
        });
    }

    #[test]
    fn clients_that_would_wait_for_each_other_all_finish() {
        gorge::run(|| {
            let claims = vec![[2, 1, 1], [1, 2, 2], [2, 2, 1], [1, 1, 2]];
            assert_eq!(lend_to_all([3, 3, 3], claims, 20), 18 * 20);
        });
    }
}
