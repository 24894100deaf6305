//! Which messages of a topic count. Every reader comes to the same verdicts, whoever wrote what.
//!
//! A hold begins with its start, and only a later one ends it: what an owner of before sends late is after the start
//! of the one who took over, and is ignored. Inside a hold sequences go up by one: a message that the client sent
//! twice is ignored the second time, one that is missing was damaged.

use super::message::{Front, Hold};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A hold begins.
    Begins,
    /// It counts; so many groups before it are lost.
    Counts { lost: u64 },
    /// Of a hold that is over.
    Late,
    /// It was there before.
    Repeated,
}

/// Reads the fronts of a topic's messages in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judge {
    pub(crate) hold: Hold,
    /// Sequence of the last group that counts.
    pub(crate) last: u64,
}

impl Judge {
    pub(crate) fn judge(&mut self, front: &Front) -> Verdict {
        let Some(seq) = front.seq else {
            if front.hold <= self.hold {
                return Verdict::Late;
            }
            self.hold = front.hold;
            return Verdict::Begins;
        };
        // Before the first start nobody holds it: terms begin at 1.
        if front.hold != self.hold || self.hold == Hold::default() {
            return Verdict::Late;
        }
        if seq <= self.last {
            return Verdict::Repeated;
        }
        let lost = seq - self.last - 1;
        self.last = seq;
        Verdict::Counts { lost }
    }
}

#[cfg(test)]
mod tests {
    use tidings_event::{Epoch, Term};

    use super::{Judge, Verdict};
    use crate::message::{Front, Hold};

    fn front(term: u64, number: u32, seq: u64) -> Front {
        let hold = Hold { term: Term(term), number };
        Front { epoch: Epoch(1), hold, seq: (seq > 0).then_some(seq) }
    }

    #[test]
    fn late_and_repeated_messages_do_not_count() {
        let counts = Verdict::Counts { lost: 0 };
        let sent = [
            // Nobody holds it yet.
            (front(0, 0, 1), Verdict::Late),
            (front(1, 0, 0), Verdict::Begins),
            (front(1, 0, 1), counts),
            (front(1, 0, 2), counts),
            (front(1, 0, 2), Verdict::Repeated),
            (front(1, 0, 1), Verdict::Repeated),
            // The same owner comes back, and what it had sent before follows.
            (front(1, 1, 0), Verdict::Begins),
            (front(1, 0, 3), Verdict::Late),
            (front(1, 1, 3), counts),
            // Another owner; the former one wakes up.
            (front(2, 0, 0), Verdict::Begins),
            (front(1, 1, 4), Verdict::Late),
            (front(1, 2, 0), Verdict::Late),
            (front(1, 2, 4), Verdict::Late),
            (front(2, 0, 4), counts),
            (front(2, 0, 0), Verdict::Late),
            // One is damaged.
            (front(2, 0, 6), Verdict::Counts { lost: 1 }),
        ];
        let mut judge = Judge::default();
        for (at, (front, want)) in sent.into_iter().enumerate() {
            assert_eq!(judge.judge(&front), want, "message {at}");
        }
        assert_eq!((judge.hold.term, judge.last), (Term(2), 6));
    }
}
