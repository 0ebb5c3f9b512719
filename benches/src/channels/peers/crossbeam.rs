//! crossbeam-channel; and gorge's channels, whose names and shapes are the same.

/// Implements both traits for `$peer` with what the module offers under crossbeam-channel's names.
macro_rules! crossbeam_api {
    ($peer:ident, $($module:ident)::+) => {
        impl $crate::channels::blocking::Blocking for $peer {
            type Sender<M: $crate::channels::Message> = $($module)::+::Sender<M>;
            type Receiver<M: $crate::channels::Message> = $($module)::+::Receiver<M>;

            fn channel<M: $crate::channels::Message>(
                room: Option<usize>,
            ) -> (Self::Sender<M>, Self::Receiver<M>) {
                match room {
                    Some(room) => $($module)::+::bounded(room),
                    None => $($module)::+::unbounded(),
                }
            }

            #[inline]
            fn send<M: $crate::channels::Message>(sender: &Self::Sender<M>, message: M) {
                sender.send(message).expect("a receiver");
            }

            #[inline]
            fn recv<M: $crate::channels::Message>(receiver: &Self::Receiver<M>) -> M {
                receiver.recv().expect("a sender")
            }
        }

        impl $crate::channels::blocking::Selecting for $peer {
            #[inline]
            fn recv_any<M: $crate::channels::Message>(receivers: &[Self::Receiver<M>]) -> M {
                let mut select = $($module)::+::Select::new();
                for receiver in receivers {
                    select.recv(receiver);
                }
                let chosen = select.select();
                let index = chosen.index();
                chosen.recv(&receivers[index]).expect("a sender")
            }

            #[inline]
            fn send_any<M: $crate::channels::Message>(senders: &[Self::Sender<M>], message: M) {
                let mut select = $($module)::+::Select::new();
                for sender in senders {
                    select.send(sender);
                }
                let chosen = select.select();
                let index = chosen.index();
                chosen.send(&senders[index], message).expect("a receiver");
            }

            #[inline]
            fn recv_either<M: $crate::channels::Message>(
                first: &Self::Receiver<M>,
                second: &Self::Receiver<M>,
                done: &Self::Receiver<()>,
            ) -> M {
                $($module)::+::select! {
                    recv(first) -> message => message.expect("a sender"),
                    recv(second) -> message => message.expect("a sender"),
                    recv(done) -> _ => unreachable!("nobody sends it"),
                }
            }
        }
    };
}
pub(super) use crossbeam_api;

/// crossbeam's channels.
#[derive(Debug)]
pub struct Crossbeam;

crossbeam_api!(Crossbeam, crossbeam_channel);
