//! `select!` and `select_biased!`: parsing, and what they become.
//!
//! The arms are parsed one by one (`@parse`) into a list, and each then gets a number and
//! a name for its handle (`@name`). One receive alone becomes a plain operation; else a
//! [`Select`](crate::Select) is made, and its choice matched (`@emit`).

/// Waits until one of several sends and receives can be done, does it, and runs what
/// belongs to it.
///
/// ```text
/// select! {
///     recv(receiver) -> result => handler,
///     send(sender, value) -> result => handler,
///     default(timeout) => handler,
/// }
/// ```
///
/// The syntax is that of `crossbeam_channel::select!`. `receiver` and `sender` are
/// handles or references to them. The result of a receive is a `Result<T, RecvError>`,
/// that of a send a `Result<(), SendError<T>>`; an operation on a closed channel is
/// ready, with an error. A value is made when its case has been chosen, which one send
/// alone, without a default, is from the start; until it is made a receiver that was
/// chosen for it waits, whatever its timeout, and hears of no cancel. If several
/// cases are ready, one of them is chosen at random, each as likely as the others.
///
/// `default => handler` runs when no case is ready at once, `default(timeout) =>
/// handler` when none was in time. Without it, `select!` waits as long as it takes.
///
/// A handler is an expression; after one that is no block comes a comma. The value of
/// `select!` is that of the handler that ran, which may also `return`, `break` or
/// `continue`.
///
/// # Examples
///
/// ```
/// use gorge_channel::{bounded, select, unbounded};
/// use std::time::Duration;
///
/// let (numbers, inbox) = unbounded();
/// let (outbox, words) = bounded(1);
/// numbers.send(42).unwrap();
///
/// let answer = select! {
///     recv(inbox) -> number => number.unwrap(),
///     recv(words) -> _ => unreachable!("nobody has sent a word"),
///     default(Duration::from_secs(60)) => 0,
/// };
/// assert_eq!(answer, 42);
///
/// select! {
///     recv(inbox) -> _ => unreachable!("there is no second number"),
///     send(outbox, "a word") -> sent => sent.unwrap(),
/// }
/// assert_eq!(words.recv(), Ok("a word"));
/// ```
///
/// # Cancellation
///
/// Delivers a cancel while it waits; then nothing was done.
#[macro_export]
macro_rules! select {
    ($($arms:tt)*) => {
        $crate::__select!(@parse new [] [] $($arms)*)
    };
}

/// As [`select!`], but of several cases that are ready the first one is chosen.
///
/// # Examples
///
/// ```
/// use gorge_channel::{select_biased, unbounded};
///
/// let (urgent, alarms) = unbounded();
/// let (work, jobs) = unbounded();
/// work.send("sweep").unwrap();
/// urgent.send("fire").unwrap();
/// let first = select_biased! {
///     recv(alarms) -> alarm => alarm,
///     recv(jobs) -> job => job,
/// };
/// assert_eq!(first, Ok("fire"));
/// ```
#[macro_export]
macro_rules! select_biased {
    ($($arms:tt)*) => {
        $crate::__select!(@parse new_biased [] [] $($arms)*)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    // All arms are parsed.
    (@parse $new:ident [] []) => {
        ::core::compile_error!("an empty `select!` block: add a `recv`, `send` or `default` case")
    };
    (@parse $new:ident [$($arms:tt)*] [$($default:tt)*]) => {
        $crate::__select!(@few $new [$($arms)*] [$($default)*])
    };

    // A result and then a block is no struct's pattern, which the compiler would take it for.
    (@parse $new:ident $arms:tt $default:tt
        $kind:ident($($arguments:tt)*) -> $result:tt {$($body:tt)*} $(, $($rest:tt)*)?) => {
        $crate::__select!(@arrow)
    };
    (@parse $new:ident $arms:tt $default:tt
        $kind:ident($($arguments:tt)*) -> $result:tt {$($body:tt)*} $next:ident $($rest:tt)*) => {
        $crate::__select!(@arrow)
    };

    // A handler in braces is not matched as a block: what a macro of the user's hands on as an
    // expression would be taken for one, and then refused.

    // recv(receiver) -> result => handler
    (@parse $new:ident [$($arms:tt)*] [$($default:tt)*]
        recv($handle:expr $(,)?) -> $result:pat => {$($body:tt)*} , $($rest:tt)*) => {
        $crate::__select!(@parse $new
            [$($arms)* (recv ($handle) () ($result) ({$($body)*}))] [$($default)*] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] [$($default:tt)*]
        recv($handle:expr $(,)?) -> $result:pat => {$($body:tt)*} $($rest:tt)*) => {
        $crate::__select!(@parse $new
            [$($arms)* (recv ($handle) () ($result) ({$($body)*}))] [$($default)*] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] [$($default:tt)*]
        recv($handle:expr $(,)?) -> $result:pat => $body:expr , $($rest:tt)*) => {
        $crate::__select!(@parse $new
            [$($arms)* (recv ($handle) () ($result) ($body))] [$($default)*] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] [$($default:tt)*]
        recv($handle:expr $(,)?) -> $result:pat => $body:expr) => {
        $crate::__select!(@parse $new
            [$($arms)* (recv ($handle) () ($result) ($body))] [$($default)*])
    };

    // send(sender, value) -> result => handler
    (@parse $new:ident [$($arms:tt)*] [$($default:tt)*]
        send($handle:expr, $value:expr $(,)?) -> $result:pat => {$($body:tt)*} , $($rest:tt)*) => {
        $crate::__select!(@parse $new
            [$($arms)* (send ($handle) ($value) ($result) ({$($body)*}))] [$($default)*] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] [$($default:tt)*]
        send($handle:expr, $value:expr $(,)?) -> $result:pat => {$($body:tt)*} $($rest:tt)*) => {
        $crate::__select!(@parse $new
            [$($arms)* (send ($handle) ($value) ($result) ({$($body)*}))] [$($default)*] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] [$($default:tt)*]
        send($handle:expr, $value:expr $(,)?) -> $result:pat => $body:expr , $($rest:tt)*) => {
        $crate::__select!(@parse $new
            [$($arms)* (send ($handle) ($value) ($result) ($body))] [$($default)*] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] [$($default:tt)*]
        send($handle:expr, $value:expr $(,)?) -> $result:pat => $body:expr) => {
        $crate::__select!(@parse $new
            [$($arms)* (send ($handle) ($value) ($result) ($body))] [$($default)*])
    };

    // default => handler, default(timeout) => handler
    (@parse $new:ident [$($arms:tt)*] [] default $(())? => {$($body:tt)*} , $($rest:tt)*) => {
        $crate::__select!(@parse $new [$($arms)*] [() ({$($body)*})] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] [] default $(())? => {$($body:tt)*} $($rest:tt)*) => {
        $crate::__select!(@parse $new [$($arms)*] [() ({$($body)*})] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] [] default $(())? => $body:expr , $($rest:tt)*) => {
        $crate::__select!(@parse $new [$($arms)*] [() ($body)] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] [] default $(())? => $body:expr) => {
        $crate::__select!(@parse $new [$($arms)*] [() ($body)])
    };
    (@parse $new:ident [$($arms:tt)*] []
        default($timeout:expr $(,)?) => {$($body:tt)*} , $($rest:tt)*) => {
        $crate::__select!(@parse $new [$($arms)*] [($timeout) ({$($body)*})] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] []
        default($timeout:expr $(,)?) => {$($body:tt)*} $($rest:tt)*) => {
        $crate::__select!(@parse $new [$($arms)*] [($timeout) ({$($body)*})] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] []
        default($timeout:expr $(,)?) => $body:expr , $($rest:tt)*) => {
        $crate::__select!(@parse $new [$($arms)*] [($timeout) ($body)] $($rest)*)
    };
    (@parse $new:ident [$($arms:tt)*] [] default($timeout:expr $(,)?) => $body:expr) => {
        $crate::__select!(@parse $new [$($arms)*] [($timeout) ($body)])
    };

    // What is none of these, and what to write instead.
    (@parse $new:ident $arms:tt [$($default:tt)+] default $($rest:tt)*) => {
        ::core::compile_error!("a second `default` case: a `select!` has one at most")
    };
    (@parse $new:ident $arms:tt $default:tt recv() $($rest:tt)*) => {
        ::core::compile_error!(
            "`recv()` names no receiver: write `recv(receiver) -> result => handler`")
    };
    (@parse $new:ident $arms:tt $default:tt
        recv($handle:expr, $($more:tt)+) $($rest:tt)*) => {
        ::core::compile_error!(
            "a `recv` has one argument: write `recv(receiver) -> result => handler`")
    };
    (@parse $new:ident $arms:tt $default:tt recv $handle:tt => $($rest:tt)*) => {
        ::core::compile_error!(
            "a `recv` without its result: write `recv(receiver) -> result => handler`, \
             or `-> _` if it does not matter")
    };
    (@parse $new:ident $arms:tt $default:tt send() $($rest:tt)*) => {
        ::core::compile_error!(
            "`send()` names no sender: write `send(sender, value) -> result => handler`")
    };
    (@parse $new:ident $arms:tt $default:tt send($handle:expr $(,)?) $($rest:tt)*) => {
        ::core::compile_error!(
            "a `send` without a value: write `send(sender, value) -> result => handler`")
    };
    (@parse $new:ident $arms:tt $default:tt
        send($handle:expr, $value:expr, $($more:tt)+) $($rest:tt)*) => {
        ::core::compile_error!(
            "a `send` has two arguments: write `send(sender, value) -> result => handler`")
    };
    (@parse $new:ident $arms:tt $default:tt send $handle:tt => $($rest:tt)*) => {
        ::core::compile_error!(
            "a `send` without its result: write `send(sender, value) -> result => handler`, \
             or `-> _` if it does not matter")
    };
    (@parse $new:ident $arms:tt $default:tt
        default($timeout:expr, $($more:tt)+) $($rest:tt)*) => {
        ::core::compile_error!(
            "a `default` has one argument at most: write `default(timeout) => handler`")
    };
    (@parse $new:ident $arms:tt $default:tt default $(($($timeout:tt)*))? -> $($rest:tt)*) => {
        ::core::compile_error!(
            "a `default` has no result: write `default => handler` or \
             `default(timeout) => handler`")
    };
    (@parse $new:ident $arms:tt $default:tt $kind:ident($($arguments:tt)*) -> $result:tt if $($rest:tt)*) => {
        ::core::compile_error!(
            "a case of `select!` has no condition: write \
             `recv(if condition { receiver } else { never() }) -> result => handler`")
    };
    (@parse $new:ident $arms:tt $default:tt
        recv($($arguments:tt)*) -> $result:pat => $($rest:tt)*) => {
        $crate::__select!(@handler)
    };
    (@parse $new:ident $arms:tt $default:tt
        send($($arguments:tt)*) -> $result:pat => $($rest:tt)*) => {
        $crate::__select!(@handler)
    };
    (@parse $new:ident $arms:tt $default:tt default $(($($timeout:tt)*))? => $($rest:tt)*) => {
        $crate::__select!(@handler)
    };
    (@parse $new:ident $arms:tt $default:tt recv $($rest:tt)*) => {
        ::core::compile_error!("a `recv` case is `recv(receiver) -> result => handler`")
    };
    (@parse $new:ident $arms:tt $default:tt send $($rest:tt)*) => {
        ::core::compile_error!("a `send` case is `send(sender, value) -> result => handler`")
    };
    (@parse $new:ident $arms:tt $default:tt default $($rest:tt)*) => {
        ::core::compile_error!(
            "a `default` case is `default => handler` or `default(timeout) => handler`")
    };
    (@parse $new:ident $arms:tt $default:tt _ => $($rest:tt)*) => {
        $crate::__select!(@no_default "_")
    };
    (@parse $new:ident $arms:tt $default:tt else => $($rest:tt)*) => {
        $crate::__select!(@no_default "else")
    };
    (@parse $new:ident $arms:tt $default:tt biased; $($rest:tt)*) => {
        ::core::compile_error!("a `select!` whose first ready case wins is a `select_biased!`")
    };
    (@parse $new:ident $arms:tt $default:tt $other:tt $($rest:tt)*) => {
        ::core::compile_error!(::core::concat!(
            "a case of `select!` begins with `recv`, `send` or `default`, and not with `",
            ::core::stringify!($other), "`"))
    };
    (@arrow) => {
        ::core::compile_error!(
            "a case without `=>`: write `recv(receiver) -> result => handler`, \
             `send(sender, value) -> result => handler` or `default => handler`")
    };
    (@handler) => {
        ::core::compile_error!(
            "after `=>` comes one expression or block, with a comma behind an expression")
    };
    (@no_default $name:literal) => {
        ::core::compile_error!(::core::concat!(
            "a `select!` has no case `", $name, "`: write `default => handler`"))
    };

    // One receive alone is a plain operation.
    (@few $new:ident [(recv ($handle:expr) () ($result:pat) ($body:expr))] []) => {
        match &$handle {
            handle => {
                let handle: &$crate::Receiver<_> = handle;
                let $result = handle.recv();
                $body
            }
        }
    };
    (@few $new:ident [(recv ($handle:expr) () ($result:pat) ($body:expr))]
        [() ($default:expr)]) => {
        match &$handle {
            handle => {
                let handle: &$crate::Receiver<_> = handle;
                match handle.try_recv() {
                    ::core::result::Result::Err($crate::TryRecvError::Empty) => $default,
                    received => {
                        let $result = received.map_err(|_| $crate::RecvError);
                        $body
                    }
                }
            }
        }
    };
    (@few $new:ident [(recv ($handle:expr) () ($result:pat) ($body:expr))]
        [($timeout:expr) ($default:expr)]) => {
        match &$handle {
            handle => {
                let handle: &$crate::Receiver<_> = handle;
                match handle.recv_timeout($timeout) {
                    ::core::result::Result::Err($crate::RecvTimeoutError::Timeout) => $default,
                    received => {
                        let $result = received.map_err(|_| $crate::RecvError);
                        $body
                    }
                }
            }
        }
    };
    // So is one send that waits as long as it takes.
    (@few $new:ident [(send ($handle:expr) ($value:expr) ($result:pat) ($body:expr))] []) => {
        match &$handle {
            handle => {
                let handle: &$crate::Sender<_> = handle;
                let $result = handle.send($value);
                $body
            }
        }
    };
    (@few $new:ident [$($arms:tt)*] [$($default:tt)*]) => {
        $crate::__select!(@name $new [] [$($arms)*] [
            (0 h0) (1 h1) (2 h2) (3 h3) (4 h4) (5 h5) (6 h6) (7 h7)
            (8 h8) (9 h9) (10 h10) (11 h11) (12 h12) (13 h13) (14 h14) (15 h15)
            (16 h16) (17 h17) (18 h18) (19 h19) (20 h20) (21 h21) (22 h22) (23 h23)
            (24 h24) (25 h25) (26 h26) (27 h27) (28 h28) (29 h29) (30 h30) (31 h31)
        ] [$($default)*])
    };

    // Numbers and names for the arms.
    (@name $new:ident [$($named:tt)*] [] [$($names:tt)*] $default:tt) => {
        $crate::__select!(@emit $new [$($named)*] $default)
    };
    (@name $new:ident [$($named:tt)*] [($($arm:tt)*) $($arms:tt)*]
        [($number:tt $name:ident) $($names:tt)*] $default:tt) => {
        $crate::__select!(@name $new [$($named)* ($number $name $($arm)*)] [$($arms)*]
            [$($names)*] $default)
    };
    (@name $new:ident $named:tt [$($arms:tt)+] [] $default:tt) => {
        ::core::compile_error!("too many cases: a `select!` has 32 at most, a `Select` any number")
    };

    (@emit $new:ident [$(
        ($number:tt $name:ident $kind:ident ($handle:expr) ($($value:expr)?) ($result:pat)
            ($body:expr))
    )*] []) => {
        match ($(&$handle,)*) {
            ($($name,)*) => {
                $(let $name = $crate::__select!(@handle $kind $name);)*
                #[allow(unused_mut)]
                let mut select = $crate::Select::$new();
                $(select.$kind($name);)*
                let mut slot = $crate::__Slot::__new();
                let operation = select.__select(&mut slot);
                match operation.index() {
                    $($number => {
                        #[allow(unreachable_code)]
                        let $result =
                            $crate::__select!(@complete $kind operation slot $name ($($value)?));
                        $body
                    })*
                    _ => ::core::unreachable!("every case has an arm"),
                }
            }
        }
    };
    (@emit $new:ident [$(
        ($number:tt $name:ident $kind:ident ($handle:expr) ($($value:expr)?) ($result:pat)
            ($body:expr))
    )*] [($($timeout:expr)?) ($default:expr)]) => {
        match ($(&$handle,)*) {
            ($($name,)*) => {
                $(let $name = $crate::__select!(@handle $kind $name);)*
                #[allow(unused_mut)]
                let mut select = $crate::Select::$new();
                $(select.$kind($name);)*
                let mut slot = $crate::__Slot::__new();
                // Every arm takes the operation, so that handlers may replace the handles.
                let operation = $crate::__select!(@try select slot ($($timeout)?));
                let index = match &operation {
                    ::core::option::Option::Some(operation) => operation.index(),
                    ::core::option::Option::None => usize::MAX,
                };
                match index {
                    $($number => {
                        let operation = operation.expect("it has an index");
                        #[allow(unreachable_code)]
                        let $result =
                            $crate::__select!(@complete $kind operation slot $name ($($value)?));
                        $body
                    })*
                    _ => {
                        ::core::mem::drop(operation);
                        ::core::mem::drop(slot);
                        $default
                    }
                }
            }
        }
    };

    (@handle recv $name:ident) => {{
        let handle: &$crate::Receiver<_> = $name;
        handle
    }};
    (@handle send $name:ident) => {{
        let handle: &$crate::Sender<_> = $name;
        handle
    }};
    (@try $select:ident $slot:ident ()) => {
        $select.__try_select(&mut $slot)
    };
    (@try $select:ident $slot:ident ($timeout:expr)) => {
        $select.__select_timeout(&mut $slot, $timeout)
    };
    // The slot goes before anything of the user's runs, which may take long.
    (@complete recv $operation:ident $slot:ident $name:ident ()) => {{
        let received = $operation.recv($name);
        ::core::mem::drop($slot);
        received
    }};
    // The room is given back if the value is never made.
    (@complete send $operation:ident $slot:ident $name:ident ($value:expr)) => {{
        let permit = $operation.send($name);
        ::core::mem::drop($slot);
        permit.send($value)
    }};
}
